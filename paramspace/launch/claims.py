"""Claims: a config's number, the paper's, and whether ours is found again."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from paramspace import resolve
from paramspace.launch import errors

Measured = float | tuple[float, float, float]  # Or (value, low, high).


class Claim(NamedTuple):
  """A number that a config says will be measured.

  Attributes:
    quantity: A key of the figure module's `summary(results)`.
    paper: The paper's number; None if it gives none.
    ours: What we measured, and expect again; None where we have not, and then
      the paper's number is expected.
    tolerance: How far from that a measurement may be, relative to it.
    source: Where the paper says so: authors, year, figure or table.
    note: What to know when the two differ.
    needs: What is not measured without, as a peer that must be installed.
  """

  quantity: str
  paper: float | None
  ours: float | None
  tolerance: float
  source: str
  note: str = ''
  needs: str = ''


class Verdict(NamedTuple):
  """A claim that was checked.

  Attributes:
    holds: Whether the measurement is within the tolerance.
    measured: The number that was measured.
    line: All of it as one line.
  """

  holds: bool
  measured: float
  line: str


def unmeasured(claim: Claim, summary: Mapping[str, Measured]) -> str:
  """Says why there is nothing to check, for lack of what the claim needs.

  Args:
    claim: The claim.
    summary: What was measured.

  Returns:
    One line; empty where there is something to check, or ought to be.

  Examples:
    >>> claim = Claim('time', None, 1.0, 0.1, 'asked for', needs='mergekit')
    >>> unmeasured(claim, {})
    'time is not measured: needs mergekit'
    >>> unmeasured(claim, {'time': 1.0})
    ''
  """
  if not claim.needs or claim.quantity in summary:
    return ''
  return f'{claim.quantity} is not measured: needs {claim.needs}'


def check(claim: Claim, summary: Mapping[str, Measured]) -> Verdict:
  """Compares a claim with what was measured.

  Args:
    claim: The claim.
    summary: What was measured: numbers, or (value, low, high), by name.

  Returns:
    The verdict. A measurement that is not finite holds nothing.

  Raises:
    errors.UsageError: If the summary has no such quantity, or the claim has
      neither number.

  Examples:
    >>> claim = Claim('d_int90', 750, 700, 0.1, 'Li et al. 2018, Fig. 2')
    >>> check(claim, {'d_int90': (730.0, 700.0, 760.0)}).line
    'd_int90 = 730 [700, 760]; expected 700 +- 10%: holds; paper 750 (Li et al. 2018, Fig. 2)'
  """  # noqa: E501
  if claim.quantity not in summary:
    raise errors.UsageError(
      resolve.unknown('measured quantity', claim.quantity, summary)
    )
  if claim.ours is None and claim.paper is None:
    raise errors.UsageError(
      f'The claim about {claim.quantity} has no number: give `ours` or `paper`.'
    )
  found = summary[claim.quantity]
  value = found[0] if isinstance(found, (tuple, list)) else found
  expected = claim.paper if claim.ours is None else claim.ours
  distance = abs(value - expected)
  holds = math.isfinite(value) and distance <= claim.tolerance * abs(expected)
  line = (
    f'{claim.quantity} = {describe(found)}; expected {expected:.4g} +- '
    f'{claim.tolerance:.0%}: {"holds" if holds else "DOES NOT HOLD"}; '
    + (f'paper {claim.paper:.4g} ' if claim.paper is not None else '')
    + f'({claim.source})'
    + (f'; {claim.note}' if claim.note else '')
  )
  return Verdict(bool(holds), value, line)


def describe(measured: Measured) -> str:
  """Writes a measured number, with its interval if it has one.

  >>> describe((786.4, 720, math.inf))
  '786.4 [720, inf]'
  """
  if not isinstance(measured, (tuple, list)):
    return _number(measured)
  value, low, high = map(_number, measured)
  return f'{value} [{low}, {high}]'


def _number(x: float) -> str:
  return str(x) if isinstance(x, int) else f'{x:.4g}'
