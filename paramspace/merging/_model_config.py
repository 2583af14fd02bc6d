"""The `config.json` of a result that is not of the base's shape or dtype."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

NAME = 'config.json'
LAYERS = ('num_hidden_layers', 'num_layers', 'n_layer', 'n_layers')
DTYPES = ('dtype', 'torch_dtype')
VOCABULARY = ('vocab_size',)
_WITHIN = 'text_config'  # Where models of text and images keep those of text.


def load(content: bytes, where: Any) -> dict[str, Any]:
  """Returns what a config says.

  Raises:
    ValueError: If it is no JSON object; names where.
  """
  try:
    found = json.loads(content)
  except ValueError:
    found = None
  if not isinstance(found, dict):
    raise ValueError(f'{where} is no JSON object.')
  return found


def dumps(config: Mapping[str, Any]) -> bytes:
  """Returns a config as it is written."""
  return json.dumps(config, indent=2).encode()


def changes(
  config: Mapping[str, Any],
  dtype: str | None = None,
  layers: int | None = None,
  vocabulary: int | None = None,
) -> dict[str, Any]:
  """Returns the values that are to be others, of the keys that are there.

  Args:
    config: That of the base.
    dtype: The name of the dtype of the result; None for that of the base.
    layers: How many layers it has; None for those of the base.
    vocabulary: How many rows its embeddings have; None for those of the base.

  Example:
    >>> changes({'torch_dtype': 'float32', 'vocab_size': 8}, vocabulary=9)
    {'vocab_size': 9}
  """
  wanted = dict.fromkeys(DTYPES, dtype) | dict.fromkeys(LAYERS, layers)
  wanted |= dict.fromkeys(VOCABULARY, vocabulary)
  found = {
    key: value
    for key, value in wanted.items()
    if value is not None and key in config and config[key] != value
  }
  within = config.get(_WITHIN)
  if isinstance(within, Mapping):
    inner = changes(within, dtype, layers, vocabulary)
    found |= {_WITHIN: {**within, **inner}} if inner else {}
  return found


def rewritten(
  file: pathlib.Path | bytes, dtype: str | None, vocabulary: int | None
) -> pathlib.Path | bytes:
  """Returns a config, changed where it must be, or as it was given.

  Raises:
    ValueError: If it is no JSON object.
  """
  if dtype is None and vocabulary is None:
    return file
  given = isinstance(file, bytes)
  config = load(file if given else file.read_bytes(), NAME if given else file)
  changed = changes(config, dtype, vocabulary=vocabulary)
  return dumps(config | changed) if changed else file
