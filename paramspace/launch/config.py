"""Config files: finding them, their scales, and locked, typed overrides."""

import contextlib
import copy
import importlib.util
import inspect
import pathlib
import sys
import traceback
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import ml_collections

from paramspace import resolve
from paramspace.launch import errors
from paramspace.launch import values

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
    errors.UsageError: If there is no such file, it is not Python, it raises
      anything, or it has no `get_config`.
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
  with _named(module):
    spec.loader.exec_module(module)
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

  Raises:
    errors.UsageError: If the function raises anything; names file and line.
  """
  target = getattr(module, function)
  with _named(module):
    if 'scale' in inspect.signature(target).parameters:
      return target(scale=scale)
    return target()


def sweep(
  module: types.ModuleType, function: str, scale: str
) -> list[Mapping[str, Any]]:
  """Returns what one of a config file's sweeps yields.

  Args:
    module: The config file.
    function: 'sweep' or 'sweep_NAME'.
    scale: One of `SCALES`.

  Raises:
    errors.UsageError: If the function raises anything, or yields something else
      than dicts of overrides.
  """
  found = call(module, function, scale)
  with _named(module):
    found = list(found)
  for changes in found:
    if not isinstance(changes, Mapping) or any(
      not isinstance(key, str) for key in changes
    ):
      raise errors.UsageError(
        f'`{function}()` in {module.__file__} yields {changes!r}; it has to '
        "yield dicts such as {'seed': 1}."
      )
  return found


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
    _set(config, key, values.parse(key, value, _current(config, key)))
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


def overriding(
  config: ml_collections.ConfigDict,
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
  """Returns `override` as a fast function from changes to flattened configs.

  Args:
    config: A locked config, the same for all points of a sweep.

  Returns:
    A function: `overriding(config)(changes) == flatten(override(config,
    changes))`. Only what a reference may carry to other keys is changed in a
    copy of the config; all else in the flattened values.
  """
  base = flatten(config)
  bound = set(_references(config))
  plain = {k for k, v in base.items() if v not in (None, {}) and k not in bound}
  copies = {}

  def apply(changes: Mapping[str, Any]) -> dict[str, Any]:
    others = {k: v for k, v in changes.items() if k not in plain}
    flat, name = base, repr(others)  # Equal text, equal types: 1 is not 1.0.
    if others:
      if name not in copies:
        copies[name] = flatten(override(config, others))
      flat = copies[name]
    return flat | {
      k: values.frozen(values.checked(k, v, base[k]))
      for k, v in changes.items()
      if k in plain
    }

  return apply


def flatten(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Returns the values by flattened key, references resolved, lists as tuples.

  >>> flatten(ml_collections.ConfigDict({'a': {'b': 1}, 'c': [2], 'd': {}}))
  {'a.b': 1, 'c': (2,), 'd': {}}
  """
  flat = {}
  for key, value in config.items():
    if isinstance(value, ml_collections.ConfigDict) and len(value):
      flat |= {f'{key}.{k}': v for k, v in flatten(value).items()}
    elif isinstance(value, ml_collections.ConfigDict):
      flat[key] = {}
    else:
      flat[key] = values.frozen(value)
  return flat


def thaw(flat: Mapping[str, Any]) -> ml_collections.ConfigDict:
  """Returns the locked config that `flatten` was given, without references.

  Args:
    flat: From `flatten`, or from a file of JSON that holds that.

  >>> thaw({'a.b': 1, 'c': [2], 'd': {}}).to_dict()
  {'a': {'b': 1}, 'c': (2,), 'd': {}}
  """
  nested = {}
  for key, value in flat.items():
    *parents, name = key.split('.')
    place = nested
    for parent in parents:
      place = place.setdefault(parent, {})
    place[name] = values.frozen(value)
  return ml_collections.ConfigDict(nested).lock()


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
  if any(_references(config)):
    return copy.deepcopy(config)
  return config.copy_and_resolve_references()


def _references(config: ml_collections.ConfigDict) -> Iterator[str]:
  """Yields the flattened keys that hold a reference or a placeholder."""
  for key, value in config.iteritems(preserve_field_references=True):
    if isinstance(value, ml_collections.FieldReference):
      yield key
    elif isinstance(value, ml_collections.ConfigDict):
      yield from (f'{key}.{k}' for k in _references(value))


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


def _set(config: ml_collections.ConfigDict, key: str, value: Any) -> None:
  value = values.checked(key, value, _current(config, key))
  try:
    config.update_from_flattened_dict({key: value})
  except TypeError as e:
    raise errors.UsageError(f'Config key {key!r}: {e}.') from None


@contextlib.contextmanager
def _named(module: types.ModuleType) -> Iterator[None]:
  """Makes one line, with its place, of what a config file raises."""
  try:
    yield
  except SyntaxError as e:
    raise errors.UsageError(f'{e.filename}, line {e.lineno}: {e.msg}.') from e
  except Exception as e:
    frames = traceback.extract_tb(e.__traceback__)
    here = [f.lineno for f in frames if f.filename == module.__file__]
    place = f'{module.__file__}, line {here[-1] if here else "?"}'
    what = ' '.join(f'{type(e).__name__}: {e}'.split()).rstrip(':')
    raise errors.UsageError(f'{place}: {what}') from e
