"""Assignments by auction, in batches, on the device that has the values."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from paramspace.matching import _scipy_solver

COARSE, STEP = 0.25, 0.25  # The first increment, of the range; then each next.
FLAT = 3e-6  # Values so near to each other, of the largest, are all the same.


class _State(NamedTuple):
  """Where the auctions of a batch stand.

  Attributes:
    prices: `[b, n]`, of the columns.
    owners: `[b, n]`, the row that has a column, n if none.
    columns: `[b, n]`, the column that a row has, n if none.
    rounds: How many there were in this phase.
  """

  prices: jax.Array
  owners: jax.Array
  columns: jax.Array
  rounds: jax.Array


def auction(
  precision: float = 1e-6, rounds: int | None = None
) -> _scipy_solver.Solver:
  """Returns the auction of Bertsekas, in which all rows bid at once.

  Rows without a column bid for the one that is worth most to them above its
  price, as much as the second best allows and an increment more; the highest
  bid has it. When all have one, their sum is short of the best by at most n
  increments. These shrink from phase to phase, and prices are kept.

  How much it may be short is known without knowing the best, by duality:
  sum_j price_j + sum_i max_j (value_ij - price_j) is at least the best. That is
  the gap that is returned. Rows and columns without differences, of dead units,
  would outbid each other in ever so many rounds, and are paired beforehand.

  Args:
    precision: The last increment, as a part of the range of the values.
    rounds: The most of one phase; a batch's problems that take more, or end
      with a gap above n increments, are solved by SciPy on the host. 4 n if it
      is not given.

  Returns:
    A solver `[b, n, n]` values -> columns `[b, n]`, gaps `[b]`.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> import numpy as np
    >>> from paramspace import matching
    >>> columns, gaps = matching.auction()(np.array([[[0.0, 2], [1, 0]]]))
    >>> columns.tolist()
    [[1, 0]]

  References:
    Bertsekas, 1988, The Auction Algorithm: A Distributed Relaxation Method for
    the Assignment Problem, Annals of Operations Research 14.
  """
  if not 1e-7 <= precision < COARSE:
    raise ValueError(f'`precision` must lie in [1e-7, 0.25), got {precision}.')
  if rounds is not None and rounds < 1:
    raise ValueError(f'`rounds` must be at least 1, got {rounds}.')

  def solve(values):
    values = jnp.asarray(values, jnp.float32)
    most = 4 * values.shape[-1] if rounds is None else rounds
    columns, prices = _run(values, precision, most)
    found = _certified(values, columns, prices)
    columns, gaps, spread = (np.array(x) for x in found)
    allowed = 2 * values.shape[-1] * precision * spread
    for k in np.flatnonzero(~(gaps <= allowed)):
      columns[k] = _scipy_solver.solve(np.asarray(values[k])[None])[0][0]
      gaps[k] = 0.0
    return columns, np.maximum(gaps, 0.0)

  return solve


@functools.partial(jax.jit, static_argnums=(1, 2))
def _run(values, precision, most):
  """Returns columns, n where there is none, and prices."""
  size = jnp.abs(values).max((-1, -2))  # [b]
  spread = jnp.maximum(values.max((-1, -2)) - values.min((-1, -2)), 1e-30)
  paired = jax.vmap(_dead)(values, FLAT * size)  # [b, n]
  n = values.shape[-1]
  phases = int(np.ceil(np.log(precision / COARSE) / np.log(STEP))) + 1

  def phase(k, prices):
    share = jnp.maximum(COARSE * STEP ** k.astype(jnp.float32), precision)
    one = functools.partial(_phase, n=n, most=most)
    state = jax.vmap(one)(values, paired, prices, share * spread)
    return state.prices, state.columns

  prices = jnp.zeros(values.shape[:2])
  last = lambda k, both: phase(k, both[0])
  start = prices, jnp.full(values.shape[:2], n, jnp.int32)
  prices, columns = lax.fori_loop(0, phases, last, start)
  return columns, _dead_prices(values, columns, prices, paired)


def _dead(values, flat):
  """Returns the column that a row without differences is given, n for others.

  Its own where that is dead as well; the rest in order.
  """
  n = len(values)
  rows = values.max(1) - values.min(1) <= flat
  columns = values.max(0) - values.min(0) <= flat
  own = rows & columns
  rows, columns = rows & ~own, columns & ~own
  order = jnp.argsort(~columns, stable=True)  # The dead columns come first.
  rank = jnp.cumsum(rows) - 1
  given = rows & (rank < columns.sum())
  others = jnp.where(given, order[jnp.clip(rank, 0)], n)
  return jnp.where(own, jnp.arange(n), others).astype(jnp.int32)


def _phase(values, paired, prices, increment, *, n, most):
  """Auctions until every row has a column, at one increment."""
  rows = jnp.arange(n, dtype=jnp.int32)
  taken = jnp.zeros(n + 1, bool).at[paired].set(True)[:n]
  values = jnp.where(taken[None, :], -jnp.inf, values)
  owners = jnp.full(n + 1, n, jnp.int32).at[paired].set(rows)[:n]

  def unfinished(state):
    return (state.columns == n).any() & (state.rounds < most)

  def bid(state):
    worth = values - state.prices[None, :]
    best = jnp.argmax(worth, 1).astype(jnp.int32)
    first = worth.max(1)
    second = jnp.where(rows[None, :] == best[:, None], -jnp.inf, worth).max(1)
    second = jnp.where(second == -jnp.inf, first, second)
    offers = state.prices[best] + first - second + increment
    offers = jnp.where(state.columns == n, offers, -jnp.inf)
    highest = jnp.full(n, -jnp.inf).at[best].max(offers)
    wins = (offers > -jnp.inf) & (offers == highest[best])
    winner = jnp.full(n, n, jnp.int32)
    winner = winner.at[best].min(jnp.where(wins, rows, n))
    sold = winner < n
    owners = jnp.where(sold, winner, state.owners)
    columns = jnp.full(n + 1, n, jnp.int32).at[owners].set(rows)[:n]
    prices = jnp.where(sold, highest, state.prices)
    return _State(prices, owners, columns, state.rounds + 1)

  return lax.while_loop(
    unfinished, bid, _State(prices, owners, paired, jnp.int32(0))
  )


def _dead_prices(values, columns, prices, paired):
  """Returns prices at which no row prefers the column of a dead pair.

  These columns were never for sale; a low price would make the gap large.
  """
  n = values.shape[-1]
  safe = jnp.clip(columns, 0, n - 1)
  own = jnp.take_along_axis(values, safe[:, :, None], -1)[..., 0]
  profit = own - jnp.take_along_axis(prices, safe, -1)
  worth = values - profit[:, :, None]
  worth = jnp.where((paired < n)[:, :, None], -jnp.inf, worth).max(-2)
  batch = jnp.arange(len(values))[:, None]
  dead = jnp.zeros((len(values), n + 1), bool)
  dead = dead.at[batch, paired].set(True)[:, :n]
  return jnp.where(dead & jnp.isfinite(worth), worth, prices)


@jax.jit
def _certified(values, columns, prices):
  """Returns columns, the gaps by duality, and the ranges of the values."""
  n = values.shape[-1]
  done = (columns < n).all(-1)
  safe = jnp.clip(columns, 0, n - 1)
  got = jnp.take_along_axis(values, safe[:, :, None], -1)[..., 0]  # [b, n]
  # What each row loses against what it would like best at these prices.
  paid = jnp.take_along_axis(prices, safe, -1)
  regret = (values - prices[:, None, :]).max(-1) - (got - paid)
  gaps = jnp.where(done, regret.sum(-1), jnp.inf)
  return safe, gaps, values.max((-1, -2)) - values.min((-1, -2))
