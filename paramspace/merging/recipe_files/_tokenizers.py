"""Whether models have one tokenizer, so that the base's serves the result."""

import pathlib
from collections.abc import Sequence

from paramspace.files import disk

FILES = (
  'tokenizer.json',
  'tokenizer.model',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'added_tokens.json',
)


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
  paths = [pathlib.Path(tree.path, name) for name in FILES]
  return {path.name: path.read_bytes() for path in paths if path.is_file()}
