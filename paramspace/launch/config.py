"""Config files: finding them, their scales, and locked, typed overrides."""

import ast
import copy
import importlib.util
import inspect
import pathlib
import sys
import types
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

import ml_collections

from paramspace import resolve
from paramspace.launch import errors

SCALES = ('smoke', 'laptop', 'paper')
DEFAULT_SCALE = 'laptop'
PREFIX = '--config.'


def load(path: str | pathlib.Path) -> types.ModuleType:
  """Imports a config file and makes the studies beside it importable.

  The folder that holds `configs/` and the working directory go to the front of
  `sys.path`, so that a config finds its study in its own repository first.

  Args:
    path: A Python file that defines `get_config`.

  Returns:
    The module.

  Raises:
    errors.UsageError: If there is no such file, it is not Python, or it has no
      `get_config`.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    beside = [p.name for p in path.parent.glob('*.py')]
    near = resolve.did_you_mean(path.name, beside)
    raise errors.UsageError(f'No config file {str(path)!r}{near}')
  for folder in _roots(path):
    if folder not in sys.path:
      sys.path.insert(0, folder)
  spec = importlib.util.spec_from_file_location(f'config_{path.stem}', path)
  if spec is None:
    raise errors.UsageError(f'{path} is not a Python file; configs are *.py.')
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
  except SyntaxError as e:
    raise errors.UsageError(f'{path}, line {e.lineno}: {e.msg}.') from None
  if not hasattr(module, 'get_config'):
    raise errors.UsageError(f'{path} does not define `get_config()`.')
  return module


def call(module: types.ModuleType, function: str, scale: str) -> Any:
  """Calls a config file's function, with the scale if it takes one.

  Args:
    module: The config file.
    function: 'get_config', 'sweep' or 'claim'. One that takes no scale says
      the same at every scale.
    scale: One of `SCALES`.
  """
  target = getattr(module, function)
  if 'scale' in inspect.signature(target).parameters:
    return target(scale=scale)
  return target()


def make(
  module: types.ModuleType,
  scale: str = DEFAULT_SCALE,
  overrides: Iterable[str] = (),
) -> ml_collections.ConfigDict:
  """Returns the locked config with the overrides of the command line.

  Args:
    module: The config file, from `load`.
    scale: One of `SCALES`.
    overrides: Strings such as '--config.optimizer.learning_rate=0.1'. The text
      is read as the type that the key has.

  Returns:
    A locked `ConfigDict`; references between its fields follow the overrides.

  Raises:
    errors.UsageError: If the scale is unknown, or not the default one and
      `get_config` takes none; if the config names no study; if a key is unknown
      or a value has the wrong type.
  """
  if scale not in SCALES:
    raise errors.UsageError(resolve.unknown('scale', scale, SCALES))
  scales = inspect.signature(module.get_config).parameters
  if scale != DEFAULT_SCALE and 'scale' not in scales:
    raise errors.UsageError(
      f'`get_config()` in {module.__file__} takes no `scale`; leave out '
      f'--scale {scale}.'
    )
  config = call(module, 'get_config', scale).lock()
  if not isinstance(config.get('study'), str):
    raise errors.UsageError(
      f"{module.__file__} sets no `config.study`, such as 'experiments.mine'."
    )
  for text in overrides:
    key, value = split(text)
    if key == 'scale':
      raise errors.UsageError(f'Write --scale {value} instead of {text}.')
    _set(config, key, _parse(key, value, _current(config, key)))
  return config


def override(
  config: ml_collections.ConfigDict, changes: Mapping[str, Any]
) -> ml_collections.ConfigDict:
  """Returns a copy of `config` with the changes of one point of a sweep.

  Args:
    config: A locked config.
    changes: Values by flattened key, for example `{'method.dim': 50}`.

  Returns:
    A new locked config of the same types; an int is accepted for a float.

  Raises:
    errors.UsageError: If a key is unknown or a value has the wrong type.
  """
  config = _copy(config)
  for key, value in changes.items():
    _set(config, key, value)
  return config


def flatten(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Returns the values by flattened key, references resolved.

  >>> flatten(ml_collections.ConfigDict({'a': {'b': 1}, 'c': (2,)}))
  {'a.b': 1, 'c': (2,)}
  """
  flat = {}
  for key, value in config.items():
    if isinstance(value, ml_collections.ConfigDict):
      flat |= {f'{key}.{k}': v for k, v in flatten(value).items()}
    else:
      flat[key] = value
  return flat


def split(text: str) -> tuple[str, str]:
  """Returns key and value of an override of the command line.

  >>> split('--config.method.dim=50')
  ('method.dim', '50')
  """
  key, equals, value = text.removeprefix(PREFIX).partition('=')
  if not equals:
    raise errors.UsageError(f'{text} has no value; write {text}=VALUE.')
  return key, value


def _roots(path: pathlib.Path) -> list[str]:
  """Folders to import from; the last is searched first."""
  folders = [str(pathlib.Path.cwd())]
  for parent in path.resolve().parents:
    if parent.name == 'configs':
      folders.append(str(parent.parent))
      break
  return folders


def _copy(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """A copy with its references; three times as fast where there are none."""
  if _refers(config):
    return copy.deepcopy(config)
  return config.copy_and_resolve_references()


def _refers(config: ml_collections.ConfigDict) -> bool:
  """Whether any field is a reference or a placeholder."""
  for _, value in config.iteritems(preserve_field_references=True):
    if isinstance(value, ml_collections.FieldReference):
      return True
    if isinstance(value, ml_collections.ConfigDict) and _refers(value):
      return True
  return False


def _current(config: ml_collections.ConfigDict, key: str) -> Any:
  try:
    found = config[key]
  except (KeyError, TypeError):
    found = config
  if isinstance(found, ml_collections.ConfigDict):
    flat = flatten(config)
    near = resolve.did_you_mean(key, flat)
    raise errors.UsageError(f'No config key {key!r}{near}')
  return found


def _parse(key: str, text: str, current: Any) -> Any:
  """Reads `text` as the type of `current`; as a literal if that is None."""
  try:
    match current:
      case bool():
        return {'true': True, 'false': False}[text.lower()]
      case str():
        return text
      case int() | float():
        return type(current)(text)
      case _:
        return ast.literal_eval(text)
  except (KeyError, SyntaxError, ValueError):
    raise _wrong_type(key, text, current) from None


def _set(config: ml_collections.ConfigDict, key: str, value: Any) -> None:
  current = _current(config, key)
  match current, value:
    case float(), bool():
      raise _wrong_type(key, value, current)
    case float(), int():
      value = float(value)
    case tuple() | list(), tuple() | list():
      value = type(current)(value)
    case _ if current is not None and type(value) is not type(current):
      raise _wrong_type(key, value, current)
  try:
    config.update_from_flattened_dict({key: value})
  except TypeError as e:
    raise errors.UsageError(f'Config key {key!r}: {e}.') from None


def _wrong_type(key: str, value: Any, current: Any) -> errors.UsageError:
  kind = type(current).__name__
  return errors.UsageError(
    f'Config key {key!r} takes a value of type {kind} such as {current!r}, got '
    f'{value!r}.'
  )
