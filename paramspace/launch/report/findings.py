"""Claims beside what was measured: the rows of the first table."""

import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.launch import claims
from paramspace.launch import config as configs
from paramspace.launch.report import studies

# What becomes of a claim; one that holds may be unlike the paper.
HOLDS, UNLIKE, FAILS = 'holds', 'unlike', 'fails'
UNMEASURED = 'unmeasured'
KINDS = FAILS, UNLIKE, HOLDS, UNMEASURED


class Finding(NamedTuple):
  """A claim and what was measured.

  Attributes:
    study: Whose claim it is.
    claim: The claim.
    value: What was measured; None if it was not.
    ends: Of the interval; None without one, as of a single run.
    holds: Whether it is within the tolerance of what was expected; None if it
      was not measured.
    agrees: Whether it agrees with the paper's number; None without one, or if
      it was not measured.
  """

  study: studies.Study
  claim: claims.Claim
  value: float | None
  ends: tuple[float, float] | None
  holds: bool | None
  agrees: bool | None

  @property
  def kind(self) -> str:
    """Which of `KINDS` it is."""
    if self.holds is None:
      return UNMEASURED
    if not self.holds:
      return FAILS
    return UNLIKE if self.agrees is False else HOLDS

  @property
  def expected(self) -> tuple[float, float]:
    """The lowest and the highest that hold."""
    claim = self.claim
    center = claim.paper if claim.ours is None else claim.ours
    width = claim.tolerance * abs(center)
    return center - width, center + width


class Tally(NamedTuple):
  """How many claims there are, and what became of them.

  Attributes:
    claims: All of them.
    hold: Those that hold, like the paper or unlike it.
    fail: Those that do not.
    unmeasured: Those of what was not measured.
    papers: How many numbers of papers were measured.
    agree: How many of these were found again.
  """

  claims: int
  hold: int
  fail: int
  unmeasured: int
  papers: int
  agree: int


def tally(found: Sequence[Finding]) -> Tally:
  """Counts findings by what became of them."""
  holds = [f.holds for f in found]
  agrees = [f.agrees for f in found]
  return Tally(
    claims=len(found),
    hold=holds.count(True),
    fail=holds.count(False),
    unmeasured=holds.count(None),
    papers=len(agrees) - agrees.count(None),
    agree=agrees.count(True),
  )


def of(study: studies.Study) -> list[Finding]:
  """Returns what was found of each claim of a study.

  Args:
    study: One with a kept result.

  Raises:
    errors.UsageError: If its `claim` raises, or claims no number.
  """
  if not hasattr(study.module, 'claim'):
    return []
  found = configs.call(study.module, 'claim', study.scale)
  found = [found] if isinstance(found, claims.Claim) else list(found or ())
  return [_finding(study, claim) for claim in found]


def every(found: Iterable[studies.Study]) -> list[Finding]:
  """Returns the findings of all studies with a kept result."""
  return [f for study in found if study.kept is not None for f in of(study)]


def headline(found: Iterable[Finding]) -> Finding | None:
  """Returns the first that has a paper's number, one with an interval if any.

  Returns:
    None if no paper has a number.
  """
  with_paper = [f for f in found if f.claim.paper is not None]
  with_ends = [f for f in with_paper if f.ends is not None]
  return next(iter(with_ends or with_paper), None)


def _finding(study: studies.Study, claim: claims.Claim) -> Finding:
  measured = study.summary.get(claim.quantity)
  if measured is None:
    return Finding(study, claim, None, None, None, None)
  value, ends = _split(measured)
  holds = claims.check(claim, study.summary).holds
  return Finding(study, claim, value, ends, holds, _agrees(claim, value, ends))


def _split(measured: Any) -> tuple[float, tuple[float, float] | None]:
  if isinstance(measured, (list, tuple)):
    value, low, high = measured
    return value, (low, high) if low < high else None
  return measured, None


def _agrees(
  claim: claims.Claim, value: float, ends: tuple[float, float] | None
) -> bool | None:
  """Whether the paper's number is in the interval, or as near as is asked."""
  if claim.paper is None:
    return None
  if not math.isfinite(value):
    return False
  if ends and ends[0] <= claim.paper <= ends[1]:
    return True
  return abs(value - claim.paper) <= claim.tolerance * abs(claim.paper)
