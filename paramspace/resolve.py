"""Finds library objects, studies and figures by their names."""

import difflib
import importlib
import inspect
import os
import pkgutil
import types
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any


def from_config(entry: Mapping[str, Any]) -> Any:
  """Calls the factory named by `entry['name']` with the remaining items.

  Args:
    entry: `name` is 'package.factory' below `paramspace`, such as
      'reparam.hadamard'; the other items are the factory's arguments.

  Returns:
    What the factory returns.

  Raises:
    ValueError: If there is no such package, factory or argument; says which
      names are near and which there are.

  Examples:
    >>> from_config({'name': 'reparam.hashed', 'dim': 750}).apply is not None
    True
  """
  arguments = dict(entry.items())
  if 'name' not in arguments:
    raise ValueError(
      f'The entry {arguments} has no `name`; add one, for example '
      "name='reparam.hadamard'."
    )
  package_name, _, attribute = str(arguments.pop('name')).rpartition('.')
  if not package_name:
    raise ValueError(
      f"The name {attribute!r} has no package; write 'reparam.{attribute}'."
    )
  package = module(f'paramspace.{package_name}')
  choices = [n for n in getattr(package, '__all__', ()) if n[0].islower()]
  if attribute not in choices:
    raise ValueError(unknown(f'factory in {package_name}', attribute, choices))
  factory = getattr(package, attribute)
  check_arguments(factory, arguments)
  return factory(**arguments)


def module(name: str) -> types.ModuleType:
  """Imports a module by its full name.

  Args:
    name: For example 'experiments.intrinsic_dimension'.

  Returns:
    The module.

  Raises:
    ValueError: If there is no such module; says which part of the name is
      wrong and which names there are. A module that exists and fails raises
      what it raises.
  """
  found = None
  parts = name.split('.')
  for n, part in enumerate(parts, 1):
    prefix = '.'.join(parts[:n])
    try:
      found = importlib.import_module(prefix)
    except ModuleNotFoundError as e:
      if e.name != prefix:
        raise
      where = f'module in {found.__name__}' if found else 'top-level module'
      raise ValueError(unknown(where, part, _siblings(found))) from None
  return found


def check_arguments(
  factory: Callable[..., Any], arguments: Mapping[str, Any]
) -> None:
  """Checks that `factory(**arguments)` is a valid call.

  Args:
    factory: A function or a class.
    arguments: The arguments by name.

  Raises:
    ValueError: If an argument has no parameter, or a parameter without a
      default has no argument.

  Examples:
    >>> check_arguments(lambda dim: dim, {'dmi': 750})
    Traceback (most recent call last):
    ...
    ValueError: No argument of <lambda> 'dmi'; did you mean 'dim'? Have: dim.
  """
  parameters = inspect.signature(factory).parameters.values()
  if any(p.kind is p.VAR_KEYWORD for p in parameters):
    return
  named = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
  for name in arguments:
    if name not in (p.name for p in named):
      what = f'argument of {factory.__name__}'
      raise ValueError(unknown(what, name, [p.name for p in named]))
  missing = [
    p.name for p in named if p.default is p.empty and p.name not in arguments
  ]
  if missing:
    raise ValueError(
      f'{factory.__name__} needs {", ".join(missing)}; got '
      f'{", ".join(arguments) or "nothing"}.'
    )


def unknown(what: str, name: str, choices: Iterable[str]) -> str:
  """Returns the one line that says a name is unknown.

  >>> unknown('model', 'lennet', ['fc', 'lenet'])
  "No model 'lennet'; did you mean 'lenet'? Have: fc, lenet."
  """
  have = ', '.join(sorted(choices)) or 'nothing'
  return f'No {what} {name!r}{did_you_mean(name, choices)} Have: {have}.'


def did_you_mean(name: str, choices: Iterable[str]) -> str:
  """Returns '; did you mean ...?' for the nearest choices, '.' without one.

  >>> did_you_mean('sed', ['seed', 'dim'])
  "; did you mean 'seed'?"
  """
  near = difflib.get_close_matches(name, list(choices), n=2, cutoff=0.6)
  return f'; did you mean {" or ".join(map(repr, near))}?' if near else '.'


def _siblings(package: types.ModuleType | None) -> list[str]:
  """Names of the modules beside the one that was not found."""
  here = getattr(package, '__path__', ()) if package else [os.getcwd()]
  modules = pkgutil.iter_modules(here)
  return [m.name for m in modules if not m.name.startswith('_')]
