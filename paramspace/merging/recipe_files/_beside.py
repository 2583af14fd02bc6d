"""The config.json of a result that is not of the base's layers or dtype."""

import pathlib
from typing import Any

from paramspace.files import disk
from paramspace.merging import _model_config

NAME = _model_config.NAME


def config(
  base: disk.Tree,
  layers: int | None,
  dtype: str | None,
  rows: int | None = None,
) -> tuple[dict[str, bytes], list[str]]:
  """Returns the files that differ from those of the base, and what to note.

  Args:
    base: The base, in whose folder they are.
    layers: How many layers the result has; None for those of the base.
    dtype: The name of the dtype that is written; None for that of the base.
    rows: How many rows its embeddings have; None for those of the base.

  Returns:
    What `config.json` is to hold, by its name, or nothing; and lines.

  Raises:
    ValueError: If there is a `config.json` that cannot be read.
  """
  path = pathlib.Path(base.home, NAME)
  same = layers is None and dtype is None and rows is None
  if same or not path.is_file():
    return {}, []
  before = _model_config.load(path.read_bytes(), path)
  changed = _model_config.changes(before, dtype, layers, rows)
  notes = [
    f'{NAME}: {key} is {"another" if isinstance(value, dict) else value}.'
    for key, value in changed.items()
  ]
  if layers is not None:
    notes += _by_layer(before, changed)
  if not changed:
    return {}, notes
  return {NAME: _model_config.dumps(before | changed)}, notes


def _by_layer(before: dict[str, Any], changed: dict[str, Any]) -> list[str]:
  """Returns lines about what a person has to mend."""
  keys = [key for key in _model_config.LAYERS if key in before]
  if not keys:
    return [f'{NAME} does not say how many layers there are; mend it.']
  number = before[keys[0]]
  return [
    f'{NAME}: {key} has one entry for each of {number} layers; mend it.'
    for key, value in before.items()
    if isinstance(value, list) and len(value) == number and keys[0] in changed
  ]
