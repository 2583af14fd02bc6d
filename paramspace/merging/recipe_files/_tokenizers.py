"""Whether models have one tokenizer, and how many rows it needs."""

import json
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.files import disk
from paramspace.merging import _vocabulary
from paramspace.merging.recipe_files import _page

FILES = (
  'tokenizer.json',
  'tokenizer.model',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'added_tokens.json',
)


_KEYS = ('source', 'tokens', 'pad_to_multiple_of')
_COUNTED = FILES[0]


class Asked(NamedTuple):
  """What a page says of the tokenizer.

  Attributes:
    where: The key that says it.
    multiple: What the number of rows is to be a multiple of.
  """

  where: str
  multiple: int


def asked(page: Mapping[str, Any]) -> Asked | None:
  """Returns what a page of mergekit's says; None if nothing.

  Raises:
    ValueError: If it is not as it should be, or not supported; names it.
  """
  given = page.get('tokenizer')
  if given is None:
    source = page.get('tokenizer_source')
    return None if source is None else Asked('tokenizer_source', 1)
  if page.get('tokenizer_source') is not None:
    raise ValueError('A page has either `tokenizer` or `tokenizer_source`.')
  _page.check_keys('tokenizer', given, _KEYS)
  if given.get('tokens') is not None:
    raise ValueError("tokenizer: 'tokens' is not supported; leave it out.")
  multiple = given.get('pad_to_multiple_of')
  multiple = 1 if multiple is None else multiple
  if type(multiple) is not int or multiple < 1:
    raise ValueError(
      f'tokenizer: pad_to_multiple_of is a number of rows, got {multiple!r}.'
    )
  return Asked('tokenizer', multiple)


def resized(
  wanted: Asked, trees: Sequence[disk.Tree]
) -> tuple[list[disk.Tree], int | None]:
  """Returns the models with a row for each token, and some more.

  Args:
    wanted: What the page says.
    trees: The models, which must have one tokenizer.

  Returns:
    The models, and the number of rows, if any model has had another.

  Raises:
    ValueError: If they have different tokenizers, or a model has fewer rows
      than there are tokens.
  """
  check_same(wanted.where, trees)
  tokens = _count(wanted, trees[0])
  if tokens is None:
    return [*trees], None
  rows = -(-tokens // wanted.multiple) * wanted.multiple
  found = [_vocabulary.resized(tree, tokens, rows) for tree in trees]
  same = all(x is y for x, y in zip(found, trees, strict=True))
  return found, None if same else rows


def check_same(where: str, trees: Sequence[disk.Tree]) -> None:
  """Raises unless all models have the same tokenizer.

  Args:
    where: What asks for one tokenizer, for the message.
    trees: The models.

  Raises:
    ValueError: If a file is not the same in all, or there is none; names it.
  """
  found = [_files(tree) for tree in trees]
  if not any(found):
    raise ValueError(f'{where}: no model has a tokenizer; leave it out.')
  for tree, files in zip(trees, found, strict=True):
    for name in FILES:
      if files.get(name) != found[0].get(name):
        raise ValueError(
          f'{where}: {name} of {tree.path} is not that of {trees[0].path}; '
          'other tokenizers are not supported, bring the models to one first.'
        )


def _files(tree: disk.Tree) -> dict[str, bytes]:
  paths = [pathlib.Path(tree.home, name) for name in FILES]
  return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _count(wanted: Asked, tree: disk.Tree) -> int | None:
  """Returns the number of tokens; None if it is not said and not needed."""
  path = pathlib.Path(tree.home, _COUNTED)
  try:
    content = json.loads(path.read_bytes())
    known = content['model']['vocab']
    ids = (
      {token: i for i, (token, _) in enumerate(known)}
      if isinstance(known, list)
      else dict(known)
    )
    ids |= {row['content']: row['id'] for row in content['added_tokens']}
    dense = set(ids.values()) == set(range(len(ids)))
  except (OSError, ValueError, KeyError, TypeError, AttributeError):
    dense, ids = False, {}
  if dense and ids:
    return len(ids)
  if wanted.multiple == 1:
    return None
  raise ValueError(
    f'{wanted.where}: pad_to_multiple_of needs a {_COUNTED} that gives every '
    f'token a row; {path} does not.'
  )
