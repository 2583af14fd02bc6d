"""Numbers as a person reads them: three digits, a true minus, thousands."""

import math
from collections.abc import Sequence
from typing import Any

MINUS = '\u2212'
_RAISED = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_DIGITS = 3
_DECIMALS = 6  # From 1e-4 on; what is smaller is written with a power of ten.


def number(x: Any) -> str:
  """Writes a number in three significant digits; an int in all of its digits.

  >>> [number(x) for x in (671.29, 1.1, 0.01263, -0.5, 199_210, 1.1e-5)]
  ['671', '1.10', '0.0126', '−0.500', '199,210', '1.10×10⁻⁵']
  """  # noqa: RUF002
  return with_decimals(x, decimals(x))


def decimals(x: Any) -> int | None:
  """Returns how many decimals three significant digits are.

  >>> [decimals(x) for x in (671.29, 1.1, 0.01263, 1.1e-5, 12)]
  [0, 2, 4, None, 0]

  None says that the number is written with a power of ten.
  """
  if isinstance(x, int) or x == 0 or not math.isfinite(x):
    return 0
  exponent = int(f'{x:.{_DIGITS - 1}e}'.partition('e')[2])
  count = max(_DIGITS - 1 - exponent, 0)
  return count if count <= _DECIMALS and abs(x) < 1e7 else None


def with_decimals(x: Any, count: int | None) -> str:
  """Writes a number with so many decimals, or with a power of ten.

  >>> with_decimals(0.5, 2), with_decimals(float('inf'), 2)
  ('0.50', '∞')
  """
  if isinstance(x, float) and not math.isfinite(x):
    text = 'not a number' if math.isnan(x) else f'{"-" * (x < 0)}∞'
  elif count is None and x:
    digits, _, power = f'{x:.{_DIGITS - 1}e}'.partition('e')
    text = f'{digits}×10{str(int(power)).translate(_RAISED)}'  # noqa: RUF001
  else:
    text = f'{x:,.{count or 0}f}'
  return text.replace('-', MINUS)


def interval(ends: Sequence[float], like: float) -> str:
  """Writes an interval with the decimals of the number that it is about.

  >>> interval((0.0098, 0.0152), like=0.0126)
  '[0.0098, 0.0152]'
  """
  count = decimals(float(like))
  return f'[{", ".join(with_decimals(float(x), count) for x in ends)}]'


def given(x: float) -> str:
  """Writes a number that someone gave, in the digits in which it was given.

  >>> [given(x) for x in (750, 0.34, 0.0, 2900)]
  ['750', '0.34', '0', '2,900']
  """
  return f'{x:,.6g}'.replace('-', MINUS)


def percent(x: float) -> str:
  """Writes a share with its sign.

  >>> percent(-0.105), percent(3.5)
  ('−10%', '+350%')
  """  # noqa: RUF002
  return f'{x:+.0%}'.replace('-', MINUS)


def duration(seconds: float) -> str:
  """Writes a time in its largest unit, or two.

  >>> [duration(s) for s in (0.52, 45, 754, 5_400)]
  ['0.52 s', '45 s', '13 min', '1 h 30 min']
  """
  if seconds < 59.5:
    return f'{seconds:.2g} s'
  minutes = round(seconds / 60)
  if minutes < 60:
    return f'{minutes} min'
  hours, rest = divmod(minutes, 60)
  return f'{hours} h {rest} min' if rest else f'{hours} h'
