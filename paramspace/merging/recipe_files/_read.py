"""Recipe files: of ours, and of mergekit's."""

import functools
import os
import pathlib

from paramspace.files import disk
from paramspace.files import lazy
from paramspace.files import manifest
from paramspace.merging.recipe_files import _mergekit
from paramspace.merging.recipe_files import _ours
from paramspace.merging.recipe_files import _page
from paramspace.merging.recipe_files import _plan


def read(path: str | os.PathLike[str], seed: int | None = None) -> _plan.Plan:
  r"""Returns the merge that a recipe file describes.

  One YAML page, of which every key is checked. Ours:

    base: models/base
    models:
      math: {path: models/math, weight: 0.7}
      code: {path: models/code, weight: {'.*/mlp/.*': 0.5, '.*': 1.0}}
    recipe: {name: ties, density: 0.2}
    seed: 0                # Where the recipe draws.
    out_dtype: bfloat16    # The base's, if it is not given.
    statistics: {math: math.safetensors, code: code.safetensors}
    vocabulary: pad        # Or cut; others are refused if it is not given.

  Paths are looked for beside the page. One of an adapter of PEFT is that
  adapter over the base, or over another model: `{path: models/chat, adapter:
  adapters/math}`. A recipe is one that `merging.loads` knows; patterns must
  match the whole name of a leaf. A page with a `merge_method` is one of
  mergekit's, whose paths are looked for in the working directory.

  Args:
    path: The page.
    seed: In place of the page's. A page of mergekit's has none: it is 0.

  Returns:
    The plan. Headers of the models were read, and no values.

  Raises:
    ValueError: If something is wrong, or not supported; in one line, which
      names it.
    OSError: If a file cannot be read.

  Example:
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from paramspace.files import safetensors
    >>> from paramspace.merging import recipe_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   page = pathlib.Path(folder, 'recipe.yaml')
    ...   for name in 'ab':
    ...     file = page.with_name(f'{name}.safetensors')
    ...     safetensors.save(file, {'w': np.ones(2)})
    ...   _ = page.write_text(
    ...     'base: a.safetensors\nmodels: {b: b.safetensors}\nrecipe: linear'
    ...   )
    ...   recipe_files.read(page).recipe.config['name']
    'merging.linear'
  """
  path = pathlib.Path(path)
  page = _page.read(path)
  marks = _ours.MARK, _mergekit.MARK
  if sum(mark in page for mark in marks) != 1:
    raise ValueError(
      f'{path} must have either a `{marks[0]}`, as ours do, or a '
      f'`{marks[1]}`, as those of mergekit.'
    )
  try:
    if _mergekit.MARK in page:
      return _mergekit.plan(page, _opener(pathlib.Path()), seed or 0)
    return _ours.plan(page, _opener(path.parent), seed)
  except manifest.Damaged:
    raise  # It names its file.
  except ValueError as e:
    raise ValueError(f'{path}: {e}') from None


def _opener(folder: pathlib.Path):
  """Returns a function that opens each tree once."""

  @functools.cache
  def open(path: str) -> disk.Tree:
    found = folder / path
    if not found.exists():
      raise ValueError(
        f'there is no {found}; what lies on the Hugging Face hub must be '
        f'downloaded first, such as by `hf download {path}`.'
      )
    return lazy.open(found)

  return open
