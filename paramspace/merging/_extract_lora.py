"""What one model adds to another as a LoRA adapter, leaf by leaf."""

import hashlib
import json
import math
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from paramspace.files import adapter_config
from paramspace.files import lazy
from paramspace.files import manifest
from paramspace.files import output
from paramspace.merging import _adapter_layout
from paramspace.merging import _job
from paramspace.merging import _models
from paramspace.merging import _plan
from paramspace.merging import _record
from paramspace.merging import _task_arithmetic
from paramspace.merging import _truncated

MANIFEST = 'extract.json'
_TUNED = 'tuned'
_SUMS = 'kept', 'total'


def extract_lora(
  base: _models.Path,
  tuned: _models.Path,
  out: str | pathlib.Path,
  rank: int,
  *,
  others: str = 'leave',
  out_dtype: jax.typing.DTypeLike = 'float32',
  resume: bool = True,
  overwrite: bool = False,
  progress: Callable[[int], None] = _job.silent,
) -> dict[str, Any]:
  r"""Writes the nearest adapter of rank r to what a model adds to its base.

  Of a matrix, delta = U S V^T, the adapter has B = U_r S_r^(1/2) and
  A = S_r^(1/2) V_r^T; what is lost, sqrt(sum_{i > r} sigma_i^2), no other B A
  of that rank makes less. It is written as PEFT has it, with alpha = r, so that
  the scale is 1, and `merge_files` takes it for a model.

  Leaves are read, decomposed in float64 and written one after another. Stopped
  at any moment, the same call continues.

  Args:
    base: As in `merge_files`.
    tuned: The model, which has the base's leaves.
    out: A directory. It gets `adapter_model.safetensors`,
      `adapter_config.json`, and `extract.json`, the manifest.
    rank: r, 1 or more. Matrices with a shorter side get that.
    others: What to do with leaves that are no matrices of a module, such as
      norms and biases: 'leave' them out, or 'save' them whole.
    out_dtype: Of the factors.
    resume: Whether to continue what is there unfinished of the same call.
    overwrite: Whether to replace what else is there.
    progress: Is told how many bytes were read, whenever some were.

  Returns:
    The manifest. Under 'extract' it has the `energy`, sum_{i <= r} sigma_i^2 /
    sum_i sigma_i^2, of all matrices together and by leaf, and the leaves that
    were `left` out, each with the norm of its delta.

  Raises:
    ValueError: If an argument is wrong, or the models differ in leaves, shapes
      or dtypes, or have values that are not finite; names the leaf.
    FileExistsError: If `out` is not empty.
    OSError: If there is no room; start again to continue.

  Example:
    >>> import tempfile
    >>> import numpy as np
    >>> from paramspace import merging
    >>> base = {'q': {'weight': np.zeros((2, 2), np.float32)}}
    >>> tuned = {'q': {'weight': np.diag(np.float32([3, 1]))}}
    >>> with tempfile.TemporaryDirectory() as out:
    ...   made = merging.extract_lora(base, tuned, out, rank=1)
    >>> made['extract']['energy']
    0.9

  Note: A singular value below 1e-8 of the largest counts as none: the
    decomposition is that of delta^T delta.

  References:
    Eckart and Young, 1936, https://doi.org/10.1007/BF02288367.
    Hu et al, 2021, LoRA, https://arxiv.org/abs/2106.09685.
  """
  _check(rank, others)
  combine = _task_arithmetic.task_arithmetic().combine
  models = _models.open(base, {_TUNED: tuned}, None, combine)
  dtype, out = np.dtype(out_dtype), pathlib.Path(out)
  layout = _adapter_layout.layout(models, rank, dtype, others == 'save')
  digest = _digest(models, rank, layout)
  _plan.check_place(out, [models.base, *models.tuned])
  output.check(out, digest, resume, overwrite)
  with output.room(out):
    writing = output.Output(out, {lazy.ADAPTER: layout.file}, digest, resume)
    try:
      if writing.whole:
        writing.publish()
      else:
        for name in _write(models, layout, dtype, writing):
          progress(models.nbytes(name))
        writing.finish(*_rest(models, rank, layout, writing.done))
    except ValueError:
      writing.discard()
      raise
    finally:
      writing.close()
  return json.loads((out / MANIFEST).read_bytes())


def _check(rank: int, others: str) -> None:
  if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
    raise ValueError(f'`rank` must be an integer of 1 or more, got {rank!r}.')
  if others not in ('leave', 'save'):
    raise ValueError(f"`others` is 'leave' or 'save', got {others!r}.")


def _digest(
  models: _models.Models, rank: int, layout: _adapter_layout.Layout
) -> str:
  """Returns a sha256 of all that the result depends on."""
  inputs = [_plan.stamps(tree) for tree in (models.base, *models.tuned)]
  about = [inputs, rank, str(layout.file), _record.versions()]
  return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _write(
  models: _models.Models,
  layout: _adapter_layout.Layout,
  dtype: np.dtype,
  writing: output.Output,
) -> Iterator[str]:
  """Writes what is not there yet, and yields the leaf that it was made of."""
  for name, factor in layout.factors.items():
    if factor.b not in writing.done:  # The last that is written of a leaf.
      pair = (tree.leaves[name] for tree in (models.base, models.tuned[0]))
      found = _truncated.delta(*pair, factor.rank, f'leaf {name!r}')
      b, a = found.left, found.right
      b, a = (a, b) if factor.turned else (b, a)
      writing.write(factor.a, _cast(a.T, dtype, name))
      writing.write(
        factor.b, _cast(b, dtype, name), kept=found.kept, total=found.total
      )
    yield name
  for name, stored in layout.whole.items():
    if stored not in writing.done:
      values = models.tuned[0].read(name)
      _models.check_finite(values, f'leaf {name!r} of {_TUNED!r}')
      writing.write(stored, values)
    yield name


def _cast(values: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
  """Returns the values in the dtype that is written, by way of float32.

  Raises:
    ValueError: If they are too large for it.
  """
  with np.errstate(over='ignore'):
    cast = np.ascontiguousarray(values).astype(np.float32).astype(dtype)
  if not _models.finite(cast):
    raise ValueError(
      f'extract_lora: the factors of {name!r} are too large for {dtype}; give '
      'a wider `out_dtype`.'
    )
  return cast


def _rest(
  models: _models.Models,
  rank: int,
  layout: _adapter_layout.Layout,
  done: Mapping[str, Any],
) -> tuple[dict[str, bytes], list[str]]:
  """Returns the files beside the factors, and those that are replaced."""
  leaves = {}
  for name, (dtype, shape) in layout.file.leaves.items():
    size = math.prod(shape) * dtype.itemsize
    known = str(np.dtype(dtype).newbyteorder('='))
    leaves[name] = manifest.Leaf(shape, known, size, done[name]['sha256'])
  rows = {n: (f.rank, done[f.b]) for n, f in layout.factors.items()}
  kept, total = (sum(x[key] for _, x in rows.values()) for key in _SUMS)
  record = {
    'rank': rank,
    'energy': _part(kept, total),
    'leaves': {
      name: {
        'rank': own,
        'energy': _part(x['kept'], x['total']),
        'norm': math.sqrt(x['total']),
      }
      for name, (own, x) in rows.items()
    },
    'saved': sorted(layout.whole),
    'left': {name: _norm(models, name) for name in layout.left},
    'base': str(models.base.path),
    'tuned': str(models.tuned[0].path),
    'digest': manifest.digest_of(leaves),
    'versions': _record.versions(),
  }
  text = manifest.dumps(leaves, extract=record)
  config = json.dumps(layout.config, indent=2)
  files = {MANIFEST: text.encode(), adapter_config.NAME: config.encode()}
  return files, [MANIFEST, adapter_config.NAME, lazy.ADAPTER]


def _part(kept: float, total: float) -> float:
  """Returns the part that was kept, all of nothing."""
  return min(1.0, kept / total) if total else 1.0


def _norm(models: _models.Models, name: str) -> float:
  base, tuned = (t.leaves[name].view() for t in (models.base, models.tuned[0]))
  delta = tuned.astype(np.float64) - base.astype(np.float64)
  return float(np.linalg.norm(delta))
