"""Several models on disk into one, leaf by leaf."""

import errno
import json
import pathlib
import shutil
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from paramspace import base as types
from paramspace.files import lazy
from paramspace.files import output
from paramspace.merging import _ahead
from paramspace.merging import _devices
from paramspace.merging import _job
from paramspace.merging import _known
from paramspace.merging import _looks
from paramspace.merging import _models
from paramspace.merging import _passes
from paramspace.merging import _plan
from paramspace.merging import _record


def merge_files(
  base: _models.Path,
  tuned: Mapping[str, _models.Path],
  out: str | pathlib.Path,
  recipe: types.Recipe,
  *,
  weights: Mapping[str, Any] | None = None,
  statistics: Mapping[str, _models.Path] | None = None,
  key: types.PRNGKey | None = None,
  memory: int | None = None,
  out_dtype: jax.typing.DTypeLike | None = None,
  vocabulary: str = 'same',
  devices: Sequence[jax.Device] | None = None,
  resume: bool = True,
  overwrite: bool = False,
  beside: Mapping[str, bytes] | None = None,
  progress: Callable[[int], None] = _job.silent,
) -> dict[str, Any]:
  """Merges models on disk, leaf by leaf, as `merge` does, to the bit.

  Leaves are read by memory map in the order of the base's files, computed, and
  written to their final places, all three at once. What a recipe must know of
  all leaves first is found before: every round of the prune and of the combine
  reads all once more. The k-th largest of a tree, as `ties` has it, takes one
  reading: a sample of about a hundredth says where to look. Should that be
  wrong, the rounds are run, and the result is the same. Neither the order of
  leaves nor the files that they are in change the result.

  Stopped at any moment, disk full too, the same call continues, and ends with
  the same files; what was found before is kept. `out` gets them when all is
  written, the index last.

  Args:
    base: The model that all were tuned from: a safetensors file, a directory
      of Hugging Face, an `.npz`, a checkpoint of orbax, or a tree from
      `files.lazy.open`. For the names of leaves see there.
    tuned: The models by name. The directory of a LoRA adapter of PEFT is what
      it makes of the base, see `files.adapters`.
    out: A directory. It gets files like those of the base, copies of what is
      beside those, such as `config.json`, and `merge.json`, the manifest.
    recipe: As in `merge`.
    weights: As in `merge`.
    statistics: As in `merge`, on disk like the models.
    key: As in `merge`.
    memory: Bytes to work in, beside 300 MB, of which a sixth is for reading
      ahead; three times the largest leaf, in float32, times the number of
      models if it is not given.
    out_dtype: As in `merge`. `config.json` says it, too.
    vocabulary: What to do where embeddings and heads have other numbers of
      rows: 'same' refuses them; 'cut' merges the rows that all have; 'pad'
      merges all, where what a model lacks is the base's, and what the base
      lacks the mean of the models that have it. A row is taken for the same
      token in all.
    devices: Those that compute, a leaf each in turn; a leaf that takes more
      than a device has, or than `memory`, is split over all. All accelerators
      of the process if they are not given, or the CPU.
    resume: Whether to continue what is there unfinished of the same merge.
    overwrite: Whether to replace what else is there.
    beside: What files beside the leaves hold, by name, in place of those of the
      base; such as the `config.json` of a model of other layers.
    progress: Is told how many bytes were read, whenever some were; `plan_files`
      says of how many.

  Returns:
    The manifest: of the leaves, shapes, dtypes and digests; and under 'merge'
    the recipe, the inputs with their digests, versions, and of every leaf what
    fraction the prune kept and what the cast lost.

  Raises:
    ValueError: As `merge` does, or if a file is damaged or refused; names the
      file, the leaf and the way out. Nothing is written then.
    FileExistsError: If `out` is not empty.
    OSError: If there is no room; start again to continue.

  Example:
    >>> import tempfile
    >>> import numpy as np
    >>> from paramspace import merging
    >>> from paramspace.files import lazy
    >>> a, b = {'w': np.float32([4])}, {'w': np.float32([2])}
    >>> with tempfile.TemporaryDirectory() as out:
    ...   _ = merging.merge_files(
    ...     a, {'math': a, 'code': b}, out, merging.linear()
    ...   )
    ...   lazy.open(out).read('w')
    array([3.], dtype=float32)

  Note: In a leaf that is split over devices, last bits may differ.
  """
  out = pathlib.Path(out)
  models = _models.open(base, tuned, statistics, recipe.combine, vocabulary)
  job = _job.make(models, recipe, weights, key, memory, out_dtype)
  used = _devices.chosen(devices)
  place = _devices.placing(models.floating, len(models.names), used, memory)
  job = job._replace(progress=progress, place=place, at_once=len(used) or 1)
  plan = _plan.plan(job, recipe, memory, beside or {})
  _plan.check_place(out, [models.base, *models.tuned, *models.statistics])
  output.check(out, plan.digest, resume and bool(plan.digest), overwrite)
  with output.room(out):
    return _run(job, recipe, plan, out, resume and bool(plan.digest))


def plan_files(
  base: _models.Path,
  tuned: Mapping[str, _models.Path],
  recipe: types.Recipe,
  *,
  weights: Mapping[str, Any] | None = None,
  statistics: Mapping[str, _models.Path] | None = None,
  key: types.PRNGKey | None = None,
  memory: int | None = None,
  out_dtype: jax.typing.DTypeLike | None = None,
  vocabulary: str = 'same',
) -> _plan.Plan:
  """Returns what `merge_files` would do; reads headers, and no values.

  Args:
    base: As in `merge_files`, as are all.
    tuned: The models by name.
    recipe: The recipe.
    weights: The weights.
    statistics: The statistics.
    key: The key.
    memory: The memory.
    out_dtype: The dtype.
    vocabulary: The vocabulary.

  Returns:
    The plan: its `files` by name, the bytes that are `read` in how many
    `passes`, those that are `written`, and the `peak` of memory.

  Raises:
    ValueError: As `merge_files` does before it reads values.

  Example:
    >>> import numpy as np
    >>> from paramspace import merging
    >>> base = {'w': np.zeros(5, np.float32)}
    >>> plan = merging.plan_files(base, {'a': base}, merging.linear())
    >>> plan.passes, plan.read, plan.written
    (1, 20, 20)
  """
  models = _models.open(base, tuned, statistics, recipe.combine, vocabulary)
  job = _job.make(models, recipe, weights, key, memory, out_dtype)
  return _plan.plan(job, recipe, memory)


def _run(
  job: _job.Job,
  recipe: types.Recipe,
  plan: _plan.Plan,
  out: pathlib.Path,
  resume: bool,
) -> dict[str, Any]:
  if not (out / output.UNFINISHED).exists():
    _check_room(out, plan)
  writing = output.Output(out, plan.files, plan.digest, resume)
  try:
    if writing.whole:
      writing.publish()
    else:
      _write(job, _looked(job, writing), writing)
      text = _record.dumps(job, recipe, writing.done)
      writing.finish(*_rest(job, plan, out, text))
  except ValueError:
    writing.discard()
    raise
  finally:
    writing.close()
  return json.loads((out / _plan.MANIFEST).read_bytes())


def _looked(job: _job.Job, writing: output.Output) -> _job.Known:
  """Returns what must be known, which is looked for once."""
  if writing.known is not None:
    return _known.loaded(writing.known, job)
  known = _looks.look(job)
  writing.keep(_known.dumped(known))
  return known


def _write(job: _job.Job, known: _job.Known, writing: output.Output) -> None:
  """Writes the leaves that are not there yet."""
  base = job.models.base
  left = [n for n in base.leaves if base.stored(n) not in writing.done]
  floating = [n for n in left if n in job.models.floating]
  for name in sorted(set(left) - set(floating)):
    writing.write(base.stored(name), _models.carried(job.models, name))

  def store(name, digests, merged, about):
    values = np.asarray(merged)
    if not _models.finite(values):
      raise ValueError(
        f'merge: leaf {name!r} of the result is too large for {values.dtype}; '
        'merge at a smaller scale, or give a wider `out_dtype`.'
      )
    about = {k: jax.tree.map(float, x) for k, x in about.items()}
    writing.write(base.stored(name), values, inputs=digests, **about)

  def merge(known: _job.Known, names: list[str]) -> None:
    with _ahead.Writer(job.at_once) as later:
      for found in _passes.merge(job, known, names):
        later.put(store, *found)
        del found  # Or it would be there beside the next one.

  merge(known, floating)
  if known.guessed is not None:
    rows = {n: writing.done[base.stored(n)] for n in job.models.floating}
    right = _looks.concluded(known, [row['seen'] for row in rows.values()])
    if right != known.combine:
      known = known._replace(combine=right)
      merge(known, [n for n, row in rows.items() if row['open']])


def _rest(
  job: _job.Job, plan: _plan.Plan, out: pathlib.Path, text: str
) -> tuple[dict[str, bytes | pathlib.Path], list[str]]:
  """Returns the files beside the leaves, and those that are replaced."""
  beside: dict[str, bytes | pathlib.Path] = dict(plan.beside)
  same = [n for n, x in plan.beside.items() if not isinstance(x, bytes)]
  copied = ', '.join(same) or 'none'
  beside[_plan.NOTE] = (
    f'Merged by paramspace; {_plan.MANIFEST} says how.\n'
    f'Copied from the base, {job.models.base.home.name}, and not merged: '
    f'{copied}.\n' + ''.join(f'{note}\n' for note in plan.notes)
  ).encode()
  beside[_plan.MANIFEST] = text.encode()
  if list(plan.files) != [lazy.WHOLE]:
    places = {n: file for file, x in plan.files.items() for n in x.leaves}
    index = {
      'metadata': {'total_size': plan.written},
      'weight_map': dict(sorted(places.items())),
    }
    beside[lazy.INDEX] = json.dumps(index, indent=2).encode()
  old = [lazy.INDEX, _plan.MANIFEST]
  old += sorted(p.name for p in out.glob('*.safetensors'))
  return beside, old


def _check_room(out: pathlib.Path, plan: _plan.Plan) -> None:
  """Raises if there is no room for the result."""
  there = next(p for p in (out, *out.absolute().parents) if p.exists())
  free = shutil.disk_usage(there).free
  if free < plan.written:
    raise OSError(
      errno.ENOSPC, f'{plan.written} bytes to write, and {free} are free'
    )
