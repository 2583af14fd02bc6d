"""The `adapter_config.json` of a LoRA adapter: every key is checked."""

import json
import math
import pathlib
import re
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace.files import manifest

NAME = 'adapter_config.json'
LARGEST = 10_000_000  # Bytes.

# What says how it was trained, or for what; it changes no value.
_NOTES = {
  'auto_mapping',
  'base_model_name_or_path',
  'bias',
  'corda_config',
  'eva_config',
  'exclude_modules',
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'loftq_config',
  'lora_dropout',
  'lora_ga_config',
  'megatron_core',
  'modules_to_save',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'target_modules',
  'task_type',
}
_USED = {
  'alpha_pattern',
  'fan_in_fan_out',
  'init_lora_weights',
  'lora_alpha',
  'peft_type',
  'r',
  'rank_pattern',
  'use_rslora',
}
# Beginnings that leave the base as it is. The others subtract from it what the
# factors begin with: then the base is not the one that was trained on.
_BEGINNINGS = (True, False, None, 'gaussian', 'eva', 'orthogonal')


class Config(NamedTuple):
  """What the arithmetic depends on.

  Attributes:
    rank: r.
    alpha: The number that the scale is made of.
    rank_pattern: By pattern, another r.
    alpha_pattern: By pattern, another alpha.
    rooted: Whether the scale is alpha / sqrt(r), not alpha / r.
    fan_in_fan_out: Whether weights are `[in, out]`.
  """

  rank: int
  alpha: float
  rank_pattern: Mapping[str, int]
  alpha_pattern: Mapping[str, float]
  rooted: bool
  fan_in_fan_out: bool

  def of(self, module: str) -> tuple[int, float]:
    r"""Returns the rank and the scale of a module.

    Args:
      module: Its name, '/'-joined.

    Example:
      >>> config = Config(8, 16, {}, {r'layers\.1\..*': 4}, False, False)
      >>> config.of('layers/0/q'), config.of('layers/1/q')
      ((8, 2.0), (8, 0.5))
    """
    name = module.replace('/', '.')
    rank = _first(self.rank_pattern, name, self.rank)
    alpha = _first(self.alpha_pattern, name, self.alpha)
    return rank, alpha / (math.sqrt(rank) if self.rooted else rank)


def read(path: pathlib.Path) -> Config:
  """Reads a config.

  Raises:
    manifest.Damaged: If it is none.
    ValueError: If a key changes the values in a way that is not supported;
      names it.
  """
  given = _json(path)
  if given.get('peft_type') != 'LORA':
    raise ValueError(
      f'{path}: peft_type {given.get("peft_type")!r} is not supported, only '
      "'LORA'."
    )
  for key, value in given.items():
    if key not in _NOTES | _USED and value not in (None, False, {}, []):
      raise ValueError(
        f'{path}: {key} {str(value)[:80]!r} is not supported; merge the '
        'adapter into its model by PEFT first.'
      )
  beginning = given.get('init_lora_weights')
  if beginning not in _BEGINNINGS:
    raise ValueError(
      f'{path}: init_lora_weights {beginning!r} changes the base, which is not '
      'supported; save it by PEFT with `path_initial_model_for_weight_'
      'conversion`.'
    )
  flag = lambda key: _typed(path, key, given.get(key) or False, bool)
  return Config(
    _rank(path, 'r', given.get('r')),
    _number(path, 'lora_alpha', given.get('lora_alpha')),
    _pattern(path, 'rank_pattern', given, _rank),
    _pattern(path, 'alpha_pattern', given, _number),
    flag('use_rslora'),
    flag('fan_in_fan_out'),
  )


def _json(path: pathlib.Path) -> dict[str, Any]:
  if path.stat().st_size > LARGEST:
    raise manifest.Damaged(f'{path} has more than {LARGEST} bytes.')
  try:
    found = json.loads(path.read_bytes())
  except (ValueError, RecursionError):
    found = None
  if not isinstance(found, dict):
    raise manifest.Damaged(f'{path} is no JSON object.')
  return found


def _first(pattern: Mapping[str, Any], name: str, default: Any) -> Any:
  """Returns what the first pattern says that matches the end of a name."""
  for text, value in pattern.items():
    if re.fullmatch(rf'(?:.*\.)?(?:{text})', name):
      return value
  return default


def _pattern(
  path: pathlib.Path, key: str, given: Mapping[str, Any], check: Any
) -> dict[str, Any]:
  found = _typed(path, key, given.get(key) or {}, dict)
  for text, value in found.items():
    check(path, f'{key}[{text!r}]', value)
    try:
      re.compile(text)
    except re.error as e:
      raise manifest.Damaged(f'{path}: {key} {text!r}: {e}.') from None
  return found


def _rank(path: pathlib.Path, key: str, value: Any) -> int:
  if type(value) is not int or value < 1:
    raise manifest.Damaged(f'{path}: {key} should be a rank, got {value!r}.')
  return value


def _number(path: pathlib.Path, key: str, value: Any) -> float:
  if type(value) not in (int, float) or not math.isfinite(value):
    raise manifest.Damaged(f'{path}: {key} should be a number, got {value!r}.')
  return value


def _typed(path: pathlib.Path, key: str, value: Any, kind: type) -> Any:
  if not isinstance(value, kind):
    raise manifest.Damaged(
      f'{path}: {key} should be a {kind.__name__}, got {value!r}.'
    )
  return value
