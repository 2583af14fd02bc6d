"""Verbs that take models on disk: merge them, and look at them."""

import argparse
import time
from typing import Any

from paramspace.cli import _bytes
from paramspace.cli import _parsing
from paramspace.cli import _process
from paramspace.cli import _writing
from paramspace.launch import errors


def merge(options: argparse.Namespace) -> int:
  """Merges models on disk by a recipe file, of ours or of mergekit's."""
  with _process.importing():
    from paramspace.launch import compilation
    from paramspace.launch import terminal
    from paramspace.merging import recipe_files

  _process.keep_memory()
  compilation.enable()
  with _writing.usage():
    page = recipe_files.read(options.recipe, options.seed)
    if options.vocabulary is not None:
      page = page._replace(vocabulary=options.vocabulary)
    _check(page)
    planned = _plan(page, options)
  if options.dry_run:
    _show(page, planned)
    return errors.DONE
  for note in (*page.notes, *planned.notes):
    terminal.line(f'Note: {note}')
  start = time.monotonic()
  found = _run(page, planned, options)
  seconds = time.monotonic() - start
  terminal.line(
    f'{len(page.models)} {"model" if len(page.models) == 1 else "models"} '
    f'merged into {options.out}: '
    f'{_bytes.text(planned.read)} read, {_bytes.text(planned.written)} written '
    f'in {seconds:.1f} s; digest {found["merge"]["digest"]}'
  )
  return errors.DONE


def inspect(options: argparse.Namespace) -> int:
  """Lists the leaves of a model on disk, or how two models differ."""
  from paramspace.cli import _leaves
  from paramspace.files import adapters
  from paramspace.files import lazy
  from paramspace.launch import terminal

  with _writing.usage():
    trees = [lazy.open(path) for path in options.paths]
    if len(trees) > 2:
      raise errors.UsageError('inspect takes one model, or two to compare.')
    if len(trees) == 2 and adapters.is_adapter(trees[1].path):
      trees[1] = adapters.apply(trees[0], trees[1].path)
    look = _leaves.describe if len(trees) == 1 else _leaves.compare
    total = sum(tree.nbytes for tree in trees)
    shown = terminal.interactive()
    with _bytes.progress(total, 'reading', shown) as advance:
      rows, summary = look(*trees, advance)
  terminal.table(rows)
  terminal.line(summary)
  return errors.DONE


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parsers of this file's verbs."""
  parser = _parsing.add(subparsers, merge)
  parser.add_argument(
    'recipe', metavar='RECIPE', help="a page of YAML, ours or mergekit's"
  )
  _writing.add_out(parser)
  parser.add_argument(
    '--dry-run',
    action='store_true',
    help='say what would be read and written, and whether the models fit',
  )
  parser.add_argument(
    '--memory',
    type=_bytes.count,
    metavar='BYTES',
    help='to work in, such as 4GB; default: enough for the largest leaf',
  )
  parser.add_argument(
    '--seed',
    type=int,
    metavar='N',
    help="of what is drawn; default: the page's",
  )
  parser.add_argument(
    '--vocabulary',
    choices=('same', 'cut', 'pad'),
    help="where the models' differ; default: the page's, or to refuse them",
  )
  looking = _parsing.add(subparsers, inspect)
  looking.add_argument(
    'paths',
    nargs='+',
    metavar='PATH',
    help='a safetensors file, a directory, an .npz or a checkpoint; or two',
  )


def _check(page: Any) -> None:
  """Lists the leaves that do not fit, and raises if there are any."""
  from paramspace.launch import terminal
  from paramspace.merging import recipe_files

  wrong = recipe_files.preflight(page)
  if wrong:
    terminal.table([mismatch._asdict() for mismatch in wrong])
    raise errors.UsageError(
      f'{len(wrong)} leaves are not the same in all models, the first is '
      f'{wrong[0].leaf!r} of {wrong[0].model!r}; nothing was written.'
    )


def _given(page: Any, options: argparse.Namespace) -> dict[str, Any]:
  """Returns the arguments that `merge_files` and `plan_files` share."""
  import jax

  return {
    'weights': page.weights,
    'statistics': page.statistics,
    'key': None if page.seed is None else jax.random.key(page.seed),
    'memory': options.memory,
    'out_dtype': page.out_dtype,
    'vocabulary': page.vocabulary,
  }


def _plan(page: Any, options: argparse.Namespace) -> Any:
  from paramspace import merging

  given = _given(page, options)
  return merging.plan_files(page.base, page.models, page.recipe, **given)


def _run(page: Any, planned: Any, options: argparse.Namespace) -> Any:
  from paramspace import merging
  from paramspace.launch import terminal

  shown = terminal.interactive()
  with (
    _writing.usage(),
    _bytes.progress(planned.read, 'merging', shown) as advance,
  ):
    return merging.merge_files(
      page.base,
      page.models,
      options.out,
      page.recipe,
      resume=not options.no_resume,
      overwrite=options.overwrite,
      beside=page.beside,
      progress=advance,
      **_given(page, options),
    )


def _show(page: Any, planned: Any) -> None:
  """Prints what would be done."""
  from paramspace import merging
  from paramspace.launch import terminal

  terminal.line(f'recipe: {merging.dumps(page.recipe)}')
  models = {'(base)': page.base, **page.models}
  weights = page.weights or {}
  rows = [
    {
      'model': name,
      'path': str(tree.path),
      'weight': _weight(
        weights.get(name, 1.0 if name in page.models else None)
      ),
      'leaves': len(tree.leaves),
      'bytes': _bytes.text(tree.nbytes),
    }
    for name, tree in models.items()
  ]
  terminal.table(rows)
  times = 'once' if planned.passes == 1 else f'in {planned.passes} passes'
  if planned.sampled:
    times += f', {_bytes.text(planned.sampled)} of it a sample'
  terminal.line(
    f'read {_bytes.text(planned.read)} {times}, write '
    f'{_bytes.text(planned.written)} as {page.out_dtype or "the base"}, '
    f'at most {_bytes.text(planned.peak)} of memory'
  )
  beside = [*planned.files, *planned.beside]
  terminal.line(f'files: {", ".join(beside)}')
  terminal.line('all leaves have the same shapes and dtypes in all models')
  for note in (*page.notes, *planned.notes):
    terminal.line(f'Note: {note}')


def _weight(weight: Any) -> Any:
  return 'by leaf' if isinstance(weight, dict) else weight
