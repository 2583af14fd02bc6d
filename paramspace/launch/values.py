"""Values of a config's keys: read from text, checked, made immutable."""

import ast
from typing import Any

import numpy as np

from paramspace.launch import errors


def parse(key: str, text: str, current: Any) -> Any:
  """Reads text as the type of the value that a key has.

  Args:
    key: The flattened key, for the message.
    text: For example '0.1'.
    current: The value to be replaced; if it is None or a tuple, the text is
      read as a Python literal.

  Raises:
    errors.UsageError: If the text is not of that type.
  """
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


def checked(key: str, value: Any, current: Any) -> Any:
  """Returns a value as the type that its key has.

  An int becomes a float where one is expected, a scalar of numpy the number of
  Python that it is. Nothing else is converted.

  Args:
    key: The flattened key, for the message.
    value: The new value.
    current: The value to be replaced; None takes any type.

  Raises:
    errors.UsageError: If the type is another.
  """
  if isinstance(value, np.generic):
    value = value.item()
  match current, value:
    case None, _:
      return value
    case float(), bool():
      raise _wrong_type(key, value, current)
    case float(), int():
      return float(value)
    case tuple() | list(), tuple() | list():
      return type(current)(value)
    case _ if type(value) is not type(current):
      raise _wrong_type(key, value, current)
  return value


def frozen(value: Any) -> Any:
  """Returns the value with tuples for lists, at any depth.

  JSON has one kind of sequence. A config has one too, so that it is the same
  when it has been through a file.

  >>> frozen([1, [2, 3]])
  (1, (2, 3))
  """
  if isinstance(value, (list, tuple)):
    return tuple(frozen(x) for x in value)
  if isinstance(value, dict):
    return {key: frozen(x) for key, x in value.items()}
  return value


def _wrong_type(key: str, value: Any, current: Any) -> errors.UsageError:
  kind = type(current).__name__
  return errors.UsageError(
    f'Config key {key!r} takes a value of type {kind} such as {current!r}, got '
    f'{value!r}.'
  )
