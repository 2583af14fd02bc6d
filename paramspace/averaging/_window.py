"""The mean of the latest parameters (LAWA)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.averaging import _carried
from paramspace.averaging import _clock


class WindowState(NamedTuple):
  """The latest samples.

  Attributes:
    clock: Counts steps and samples.
    carried: The last parameters, with a zero for every floating-point leaf.
    samples: By leaf name, the last k samples in the leaf's own dtype,
      `[k, *s]`; sample i is in row i mod k.
  """

  clock: _clock.Clock
  carried: base.Params
  samples: dict[str, jax.Array]


def window(k: int, every: int = 1, start: int = 0) -> base.Averager:
  """The uniform mean of the last k samples.

  It is the one average that needs a buffer for each: k times the memory of the
  parameters. Over checkpoints on disk, `combine` needs none.

  Args:
    k: How many samples, at least 1.
    every: Steps between samples.
    start: Steps before the first that can be sampled.

  Returns:
    An `Averager`. Until k samples are taken, it is the mean of those there are.

  Raises:
    ValueError: If an argument is out of its range.

  Example:
    >>> from paramspace import averaging
    >>> averaging.response(averaging.window(2, every=3), 9)
    array([0. , 0. , 0. , 0. , 0. , 0.5, 0. , 0. , 0.5])

  References:
    Kaddour, 2022, Stop Wasting My Time! Saving Days of ImageNet and BERT
    Training with Latest Weight Averaging, https://arxiv.org/abs/2209.14981.
  """
  if isinstance(k, bool) or k != int(k) or k < 1:
    raise ValueError(f'`k` must be a positive integer, got {k}.')
  tick = _clock.make(every, start)

  def init(params: base.Params) -> WindowState:
    rows = {
      name: jnp.broadcast_to(x, (k, *x.shape))
      for name, x in trees.floating(params).items()
    }
    carried = jax.tree.map(jnp.array, _carried.carried(params))
    return WindowState(_clock.zero(), carried, rows)

  def update(params: base.Params, state: WindowState) -> WindowState:
    shapes = {name: rows.shape[1:] for name, rows in state.samples.items()}
    new = _carried.check(params, state.carried, shapes)
    clock, sample = tick(state.clock)
    row = state.clock.count % k

    def put(samples):
      placed = {
        name: jax.lax.dynamic_update_index_in_dim(
          rows, new[name].astype(rows.dtype), row, axis=0
        )
        for name, rows in samples.items()
      }
      return (placed,)

    (samples,) = _clock.when(sample.take, put, (state.samples,))
    return WindowState(clock, _carried.carried(params), samples)

  return base.Averager(init, update, value)


def value(state: WindowState, like: base.Params | None = None) -> base.Params:
  """Returns the mean of the samples there are, float32 or wider."""
  filled = jnp.maximum(state.clock.count, 1)

  def mean(rows: jax.Array) -> jax.Array:
    wide = trees.widen(rows)

    def add(i, a):  # As in `averager`: a constant stays what it is to the bit.
      row = jax.lax.dynamic_index_in_dim(wide, i, keepdims=False)
      moved = a + (row - a) / (i + 1).astype(a.dtype)
      return jnp.where(i < filled, moved, a)

    return jax.lax.fori_loop(1, len(wide), add, wide[0])

  means = {name: mean(rows) for name, rows in state.samples.items()}
  found = trees.replace(state.carried, means)
  return found if like is None else trees.cast(found, like)
