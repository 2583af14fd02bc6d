"""What a part of the storm has to find."""

from typing import Any


def at_most(
  name: str, found: float, allowed: float = 0, quantity: str = ''
) -> dict[str, Any]:
  """Returns a check that holds where `found <= allowed`.

  Args:
    name: What was looked at.
    found: A number.
    allowed: The largest that is right.
    quantity: The name of a measurement, which a claim may be about; empty for
      what is right or wrong.
  """
  return {
    'check': name,
    'quantity': quantity,
    'found': found,
    'allowed': f'at most {allowed:g}',
    'holds': bool(found <= allowed),
  }


def exactly(name: str, found: Any, wanted: Any) -> dict[str, Any]:
  """Returns a check that holds where both are the same."""
  return {
    'check': name,
    'found': found,
    'allowed': f'{wanted}',
    'holds': found == wanted,
  }


def differing(a: dict[str, Any], b: dict[str, Any]) -> int:
  """Returns how many keys are in one only, or have another value."""
  return sum(a.get(k) != b.get(k) for k in a.keys() | b.keys())
