"""What a merge of files says of itself, in a manifest beside the output."""

import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from paramspace import base as types
from paramspace.files import disk
from paramspace.files import manifest
from paramspace.merging import _config
from paramspace.merging import _job

_VERSIONS = ('paramspace', 'jax', 'jaxlib', 'numpy', 'scipy', 'ml_dtypes')


def dumps(job: _job.Job, recipe: types.Recipe, done: Mapping[str, Any]) -> str:
  """Returns the manifest of what was written, as JSON."""
  models, leaves, about = job.models, {}, {}
  for name, leaf in models.base.leaves.items():
    row = dict(done[models.base.stored(name)])
    dtype = leaf.stands_for
    if name in models.floating and job.out_dtype is not None:
      dtype = job.out_dtype
    digest = row.pop('sha256')
    size = leaf.size * np.dtype(dtype).itemsize
    known = str(np.dtype(dtype).newbyteorder('='))
    leaves[name] = manifest.Leaf(leaf.shape, known, size, digest)
    for ours in ('leaf', 'seen', 'open'):  # Of no use to a reader.
      row.pop(ours, None)
    about[name] = row
  tuned = zip(models.names, models.tuned, strict=True)
  record = {
    'recipe': json.loads(_config.dumps(recipe)) if recipe.config else None,
    'digest': manifest.digest_of(leaves),
    'base': _input('the base', models.base, about),
    'models': {n: _input(repr(n), tree, about) for n, tree in tuned},
    'weights': {n: w.tolist() for n, w in sorted(job.weights.items())},
    'key': np.asarray(jax.random.key_data(job.keys)).tolist(),
    'random': str(jax.random.key_impl(job.keys)),
    'versions': versions(),
    'leaves': {n: about[n] for n in sorted(about)},
  }
  return manifest.dumps(leaves, merge=record)


def versions() -> dict[str, str]:
  """Returns the versions of what computes."""
  return {name: importlib.metadata.version(name) for name in _VERSIONS}


def _input(
  who: str, tree: disk.Tree, about: Mapping[str, Any]
) -> dict[str, Any]:
  """Returns what an input was, with a digest of the leaves that were read."""
  found = {
    name: manifest.Leaf(
      leaf.shape, str(leaf.dtype.newbyteorder('=')), leaf.nbytes, digest
    )
    for name, leaf in tree.leaves.items()
    for digest in [about[name].get('inputs', {}).get(who)]
    if digest is not None
  }
  digest = manifest.digest_of(found) if found else None
  files = [file.name for file in tree.files]
  return {'path': str(tree.path), 'files': files, 'digest': digest}
