"""What a merge of files will do, known before any value is read."""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from paramspace import base as types
from paramspace.deltas import order
from paramspace.files import bits
from paramspace.files import disk
from paramspace.files import header
from paramspace.files import lazy
from paramspace.files import output
from paramspace.merging import _config
from paramspace.merging import _job
from paramspace.merging import _looks
from paramspace.merging import _model_config
from paramspace.merging import _models

MANIFEST = 'merge.json'
NOTE = 'merge.txt'
PEAK = 300 << 20  # Bytes, of programs and of what is known.
_WEIGHTS = ('.safetensors', '.npz', *lazy.PICKLES, '.h5', '.msgpack', '.gguf')
_OURS = (lazy.INDEX, MANIFEST, NOTE)


class Plan(NamedTuple):
  """What `merge_files` will do.

  Attributes:
    files: By name, what is to be written.
    beside: Other files, by name: those of the base, or what they hold.
    passes: How often the inputs are read. Where a guess is made from a sample,
      and it is wrong, they are read again.
    read: How many bytes are read, in all passes, and for the sample.
    written: How many bytes of leaves are written.
    peak: How many bytes of memory are used at most.
    digest: A sha256 of all that the result depends on; empty if the recipe was
      put together by hand, which has none.
    notes: What a reader of the result should know, a line each.
    sampled: How many bytes of those that are read are the sample.
  """

  files: dict[str, output.File]
  beside: dict[str, pathlib.Path | bytes]
  passes: int
  read: int
  written: int
  peak: int
  digest: str
  notes: tuple[str, ...] = ()
  sampled: int = 0


def plan(
  job: _job.Job,
  recipe: types.Recipe,
  memory: int | None,
  beside: Mapping[str, bytes] | None = None,
) -> Plan:
  """Returns what a job will do.

  Args:
    job: What is merged.
    recipe: How.
    memory: Bytes to work in; None for what `bound` says.
    beside: What files beside the leaves hold, in place of those of the base.
  """
  files = _files(job)
  models, sampled = job.models, _sampled(job)
  each = sum(models.nbytes(name) for name in models.floating)
  others = [
    leaf.nbytes * (len(models.names) + 1)
    for name, leaf in models.base.leaves.items()
    if name not in models.floating
  ]
  written = sum(
    int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    for file in files.values()
    for dtype, shape in file.leaves.values()
  )
  return Plan(
    files,
    _configured(job, {**_beside(models.base.home), **(beside or {})}),
    job.passes,
    sampled + job.passes * each + sum(others),
    written,
    PEAK + (memory or _job.bound(job.models)),
    _digest(job, recipe, files),
    _notes(models),
    sampled,
  )


def _sampled(job: _job.Job) -> int:
  """Returns how many bytes are read for a guess, before the first pass."""
  return sum(
    number * order.BLOCK * leaf.dtype.itemsize
    for name, number in _looks.sampled(job).items()
    for _, leaf in job.models.parts(name)
  )


def check_place(out: pathlib.Path, trees: Sequence[disk.Tree]) -> None:
  """Raises if files would be written among those that are read."""
  for file in (file for tree in trees for file in tree.files):
    if (
      out.exists()
      and file.exists()
      and file.resolve().is_relative_to(out.resolve())
    ):
      raise ValueError(
        f'{out} holds {file}, which is read; name another directory.'
      )


def _files(job: _job.Job) -> dict[str, output.File]:
  """Lays out the output like the base: its files, its order."""
  base, merged = job.models.base, job.models.floating
  files: dict[str, dict] = {}
  for name, leaf in base.leaves.items():
    dtype = leaf.stands_for.newbyteorder('<')
    if name in merged and job.out_dtype is not None:
      dtype = np.dtype(job.out_dtype)
    same = leaf.file.suffix == '.safetensors'
    file = leaf.file.name if same else lazy.WHOLE
    files.setdefault(file, {})[base.stored(name)] = dtype, leaf.shape
  if len(files) == 1:
    files = {lazy.WHOLE: next(iter(files.values()))}
  elif lazy.WHOLE in files:  # A reader would take it for all that there is.
    files['model-whole.safetensors'] = files.pop(lazy.WHOLE)
  found = {n: output.File(x, base.metadata) for n, x in files.items()}
  for file in found.values():
    header.plan(*file)  # Raises where the format lacks a dtype.
  return found


def _beside(path: pathlib.Path) -> dict[str, pathlib.Path]:
  """Returns the plain files beside the base's weights, by name."""
  root = path if path.is_dir() else path.parent
  if not path.is_dir() or not root.exists():
    return {}
  return {
    entry.name: lazy.inside(root, entry.name)
    for entry in sorted(root.iterdir())
    if not entry.name.startswith('.')
    and not entry.name.endswith((*_WEIGHTS, '.index.json'))
    and entry.name not in _OURS
    and not entry.is_dir()
  }


def _configured(
  job: _job.Job, beside: dict[str, pathlib.Path | bytes]
) -> dict[str, pathlib.Path | bytes]:
  """Makes the config.json say what is written."""
  config = beside.get(_model_config.NAME)
  if config is None:
    return beside
  dtype = None if job.out_dtype is None else str(job.out_dtype)
  changed = _model_config.rewritten(config, dtype, job.models.vocabulary)
  return beside | {_model_config.NAME: changed}


def _notes(models: _models.Models) -> tuple[str, ...]:
  if models.vocabulary is None:
    return ()
  return (
    f'Embeddings and heads were brought to {models.vocabulary} rows; the '
    "tokenizer is the base's.",
  )


def _digest(
  job: _job.Job, recipe: types.Recipe, files: Mapping[str, output.File]
) -> str:
  if not recipe.config:
    return ''
  models = job.models
  opened = [models.base, *models.tuned, *models.statistics]
  about = {
    'recipe': _config.dumps(recipe),
    'models': models.names,
    'inputs': [stamps(tree) for tree in opened],
    'weights': {n: w.tolist() for n, w in sorted(job.weights.items())},
    'key': np.asarray(jax.random.key_data(job.keys)).tolist(),
    'random': str(jax.random.key_impl(job.keys)),
    'jax': [jax.__version__, jax.default_backend()],
    'files': {n: [list(f.leaves), str(f)] for n, f in files.items()},
    'vocabulary': models.vocabulary,
  }
  text = json.dumps(about, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def stamps(tree: disk.Tree) -> list:
  """Returns what changes where a file does: sizes and times, not contents.

  What is in memory has neither, and is digested.
  """
  stats = [file.stat() for file in tree.files if file.exists()]
  found = [[file.st_size, file.st_mtime_ns, file.st_ino] for file in stats]
  held = [leaf for leaf in tree.leaves.values() if not leaf.file.exists()]
  values = (bits.to_bytes(leaf.view()) for leaf in held)
  return found + [hashlib.sha256(x).hexdigest() for x in values]
