"""Finding the study that a config names."""

import importlib.util
import types

from paramspace import resolve
from paramspace.launch import errors


def load(name: str) -> types.ModuleType:
  """Imports a study.

  Args:
    name: The full module name in `config.study`.

  Returns:
    A module that defines `run(config, run) -> dict`. It may define
    `run_batch(configs, run) -> list[dict]`, with `VMAPPABLE`, the flattened
    keys in which the configs of one batch may differ, and `row_bytes(config)
    -> int`, an estimate of the memory that one config takes in a batch.

  Raises:
    errors.UsageError: If there is no such module or it defines no `run`.
  """
  study = module(name, 'study')
  if not hasattr(study, 'run'):
    raise errors.UsageError(
      f'The study {name!r} defines no `run(config, run)`; is it another module?'
    )
  return study


def find(name: str) -> None:
  """Looks for a study without importing it, and JAX with it.

  Raises:
    errors.UsageError: If there is no such module.
  """
  try:
    found = importlib.util.find_spec(name)
  except (ImportError, ValueError):
    found = None
  if found is None:
    module(name, 'study')


def module(name: str, what: str) -> types.ModuleType:
  """Imports a module that a config names.

  Args:
    name: Its full name.
    what: What it is, for the message.

  Raises:
    errors.UsageError: If there is no such module; names the nearest.
  """
  try:
    return resolve.module(name)
  except ValueError as e:
    raise errors.UsageError(f'The {what} {name!r} was not found: {e}') from None
