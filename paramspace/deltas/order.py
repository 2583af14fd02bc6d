"""The k-th largest magnitude of arrays on the host, in one pass over them.

XLA counts on one core, an entry at a time, and a histogram of all bits is too
long for one pass. On the host a sample says first about where the k-th lies.
Then all is counted once: how many are above that bracket, and how often each
value occurs within it. If the k-th is there, it is exact; if it is not, the
caller knows, and counts as before.
"""

import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CHUNK = 1 << 18  # Entries at once: few calls, and all in cache.
SAMPLE = 1 << 18  # Entries of one leaf that are looked at first.
SMALL = 1 << 15  # Leaves below this size are looked at as a whole.
BLOCK = 1 << 10  # Entries side by side, where a sample is read from a file.
SURE = 6.0  # Standard deviations of the rank that a bracket allows for.
LEAST = 27 << 23  # Bits of 2^-100. Below, devices may take small for 0.
TOP = (1 << 31) - 1  # No magnitude has more bits.
UNKNOWN = -1
_SIDES = ('left', 'right')


class Order(NamedTuple):
  """What a prune asks of magnitudes: which is the k-th largest.

  Attributes:
    scope: Of what: 'leaf', each on its own, or 'global', the tree.
    place: `(size) -> k`, at least 1 where it is asked for.
  """

  scope: str
  place: Callable[[int], int]


class Bracket(NamedTuple):
  """Where the k-th largest should lie.

  Attributes:
    low: The bits of the least.
    high: Those of the largest.
    likely: Those of the likeliest.
    ties: The fraction of the entries equal to that which are among the k.
  """

  low: int
  high: int
  likely: int
  ties: float


class Counts(NamedTuple):
  """What was counted of a leaf.

  Attributes:
    size: How many entries it has.
    above: How many are above the bracket.
    values: The values within, ascending; int32.
    times: How often each occurs; int32.
  """

  size: int
  above: int
  values: np.ndarray
  times: np.ndarray


def of_leaf(
  name: str, base: np.ndarray, tuned: np.ndarray, k: int
) -> dict | None:
  """Finds the k-th largest |tuned - base| of one leaf.

  Args:
    name: Its name.
    base: `[*s]`, of a floating-point dtype.
    tuned: `[*s]`.
    k: From 1 to the size.

  Returns:
    As `settle`.
  """
  step = max(-(-base.size // SAMPLE), 1 if base.size < SMALL else 61) | 1
  drawn = np.sort(_bits(base.reshape(-1)[::step], tuned.reshape(-1)[::step]))
  share = k / base.size
  within = _around(drawn, share, share * (1 - share))
  parts = _parts(base, tuned, within)
  known = settle({name: _counted(base.size, parts, within)}, k)
  if known is not None and known['ends'][name] == UNKNOWN:
    ties, value = known['ties'][name], known['threshold'] - within.low
    known['ends'][name] = _end(base, tuned, parts, int(value), within, ties)
  return known


def end(
  base: np.ndarray, tuned: np.ndarray, threshold: int, ties: int
) -> np.int64:
  """Returns the place in a leaf where the first `ties` that are equal end."""
  only = Bracket(int(threshold), int(threshold), 0, 0.0)
  return _end(base, tuned, _parts(base, tuned, only), 0, only, ties)


def blocks(base: np.ndarray, tuned: np.ndarray, number: int) -> np.ndarray:
  """Returns bits of blocks of entries from all over a leaf, `[b, BLOCK]`.

  Args:
    base: `[*s]`, such as a file that is mapped: other blocks are not read.
    tuned: `[*s]`.
    number: At most how many blocks; a leaf of less than one has none.
  """
  rows = [x.reshape(-1) for x in (base, tuned)]
  whole = rows[0].size // BLOCK
  step = max(whole // max(number, 1), 1)
  cut = [x[: whole * BLOCK].reshape(-1, BLOCK)[::step] for x in rows]
  return _bits(*cut)


def bracket(drawn: Sequence[np.ndarray], share: float) -> Bracket:
  """Returns where the k-th largest should lie.

  Entries of a block are alike more than others are. So how far the sample may
  be wrong is taken from how blocks differ.

  Args:
    drawn: From `blocks`, of all leaves.
    share: k over the number of entries.
  """
  rows = np.concatenate([*drawn, np.empty((0, BLOCK), np.int32)])
  if len(rows) < 2:
    return Bracket(0, TOP, 0, 0.0)
  ranked = np.sort(rows, axis=None)
  near = ranked[_place(len(ranked), share)]
  spread = float(np.var(np.mean(rows >= near, 1)))
  return _around(ranked, share, max(spread * BLOCK, share * (1 - share)))


def count(base: np.ndarray, tuned: np.ndarray, within: Bracket) -> Counts:
  """Counts |tuned - base| of one leaf, within a bracket and above it."""
  return _counted(base.size, _parts(base, tuned, within), within)


def expected(name: str, size: int, within: Bracket) -> dict:
  """Returns what will be known of a leaf, if the bracket's guess is right."""
  ends = {name: np.int64(within.ties * size)}
  return {'threshold': np.int64(within.likely), 'ends': ends}


def settle(found: Mapping[str, Counts], k: int) -> dict | None:
  """Returns what is known of the k-th largest of some leaves.

  Args:
    found: By leaf, counted within one bracket.
    k: From 1 to the sum of the sizes.

  Returns:
    'threshold', the bits; and by leaf 'kept', how many are among the k, 'ties',
    how many of them are equal to the k-th, and 'ends', before which place those
    lie, or UNKNOWN. None if the k-th is not in the bracket, or so small that
    devices may take it for 0.
  """
  rest = k - sum(c.above for c in found.values())
  values = np.unique(np.concatenate([c.values for c in found.values()]))
  times = np.zeros(values.size, np.int64)
  for c in found.values():
    times[np.searchsorted(values, c.values)] += c.times
  if not 0 < rest <= times.sum():
    return None
  over = times[::-1].cumsum()[::-1]  # How many are as large or larger.
  at = int(np.flatnonzero(over >= rest)[-1])
  if values[at] < LEAST:
    return None
  left, known = int(rest - (over[at] - times[at])), {}
  for name in sorted(found):
    equal, more = _beside(found[name], int(values[at]))
    ties = min(left, equal)
    end = 0 if ties == 0 else found[name].size if ties == equal else UNKNOWN
    known[name] = ties, end, more + ties
    left -= ties
  table = {
    field: {name: np.int64(row[i]) for name, row in known.items()}
    for i, field in enumerate(('ties', 'ends', 'kept'))
  }
  return {'threshold': np.int64(values[at]), **table}


def _beside(counts: Counts, value: int) -> tuple[int, int]:
  """Returns how many of a leaf are equal to a value, and how many larger."""
  equal = counts.times[counts.values == value].sum(dtype=np.int64)
  more = counts.times[counts.values > value].sum(dtype=np.int64)
  return int(equal), int(more) + counts.above


class _Part(NamedTuple):
  """What was seen of some entries of a leaf.

  Attributes:
    above: How many are above the bracket.
    past: The others that are not below it: their bits less those of `low`.
  """

  above: int
  past: np.ndarray


def _parts(base: np.ndarray, tuned: np.ndarray, within: Bracket) -> list[_Part]:
  x, y = base.reshape(-1), tuned.reshape(-1)
  low, width = np.uint32(within.low), np.uint32(within.high - within.low)
  found = []
  for at in range(0, x.size, CHUNK):
    part = slice(at, at + CHUNK)
    # Those below the bracket wrap around, and become the largest.
    past = _bits(x[part], y[part]).view(np.uint32)
    past -= low
    inside = past[np.flatnonzero(past <= width)]  # Twice as fast as a mask.
    over = np.count_nonzero(past.view(np.int32) >= 0)
    found.append(_Part(over - inside.size, inside))
  return found


def _counted(size: int, parts: list[_Part], within: Bracket) -> Counts:
  past = np.concatenate([part.past for part in parts])
  if within.high - within.low >= past.size:
    values, times = np.unique(past, return_counts=True)
  else:
    times = np.bincount(past, minlength=1)
    values = np.flatnonzero(times)
    times = times[values]
  values = (values.astype(np.int64) + within.low).astype(np.int32)
  above = sum(part.above for part in parts)
  return Counts(size, above, values, times.astype(np.int32))


def _end(
  base: np.ndarray,
  tuned: np.ndarray,
  parts: list[_Part],
  past: int,
  within: Bracket,
  ties: int,
) -> np.int64:
  """Returns where the first `ties` that lie so far past `low` end."""
  equal = np.cumsum([np.count_nonzero(part.past == past) for part in parts])
  i = int(np.searchsorted(equal, ties))
  part = slice(i * CHUNK, (i + 1) * CHUNK)
  bits = _bits(base.reshape(-1)[part], tuned.reshape(-1)[part])
  places = np.flatnonzero(bits == past + within.low)
  before = int(equal[i - 1]) if i else 0
  return np.int64(i * CHUNK + places[ties - before - 1] + 1)


def _around(ranked: np.ndarray, share: float, variance: float) -> Bracket:
  """Returns the values around a share of the largest of a sorted sample."""
  n = ranked.size
  apart = math.ceil(SURE * math.sqrt(variance * n)) + 1
  at = _place(n, share)
  first, last = (np.searchsorted(ranked, ranked[at], s) for s in _SIDES)
  return Bracket(
    0 if at < apart else int(ranked[at - apart]),
    TOP if at + apart >= n else int(ranked[at + apart]),
    int(ranked[at]),
    float((last - at) / (last - first)),
  )


def _place(size: int, share: float) -> int:
  return min(max(size - math.ceil(share * size), 0), size - 1)


def _bits(base: np.ndarray, tuned: np.ndarray) -> np.ndarray:
  """Returns int32 that have the order of |tuned - base|, as float32."""
  wide = np.float64 if base.dtype.itemsize > 4 else np.float32
  with np.errstate(all='ignore'):  # Of what is not finite, others complain.
    delta = tuned.astype(wide)
    delta -= base.astype(wide)
    bits = delta.astype(np.float32, copy=False).view(np.int32)
  bits &= np.int32(TOP)
  return bits
