"""The config.json of a result that is not of the base's layers or dtype."""

import json
import pathlib
from typing import Any

from paramspace.files import disk

NAME = 'config.json'
LAYERS = ('num_hidden_layers', 'num_layers', 'n_layer', 'n_layers')
DTYPES = ('dtype', 'torch_dtype')


def config(
  base: disk.Tree, layers: int | None, dtype: str | None
) -> tuple[dict[str, bytes], list[str]]:
  """Returns the files that differ from those of the base, and what to note.

  Args:
    base: The base, in whose folder they are.
    layers: How many layers the result has; None for those of the base.
    dtype: The name of the dtype that is written; None for that of the base.

  Returns:
    What `config.json` is to hold, by its name, or nothing; and lines.

  Raises:
    ValueError: If there is a `config.json` that cannot be read.
  """
  path = pathlib.Path(base.path, NAME)
  if (layers is None and dtype is None) or not path.is_file():
    return {}, []
  before = _read(path)
  wanted = dict.fromkeys(LAYERS, layers) | dict.fromkeys(DTYPES, dtype)
  changed = {
    key: value
    for key, value in wanted.items()
    if value is not None and key in before and before[key] != value
  }
  notes = [f'{NAME}: {key} is {value}.' for key, value in changed.items()]
  if layers is not None:
    notes += _by_layer(before, changed)
  if not changed:
    return {}, notes
  return {NAME: json.dumps(before | changed, indent=2).encode()}, notes


def _read(path: pathlib.Path) -> dict[str, Any]:
  try:
    content = json.loads(path.read_bytes())
  except ValueError:
    content = None
  if not isinstance(content, dict):
    raise ValueError(f'{path} is no JSON object.')
  return content


def _by_layer(before: dict[str, Any], changed: dict[str, Any]) -> list[str]:
  """Returns lines about what a person has to mend."""
  keys = [key for key in LAYERS if key in before]
  if not keys:
    return [f'{NAME} does not say how many layers there are; mend it.']
  number = before[keys[0]]
  return [
    f'{NAME}: {key} has one entry for each of {number} layers; mend it.'
    for key, value in before.items()
    if isinstance(value, list) and len(value) == number and keys[0] in changed
  ]
