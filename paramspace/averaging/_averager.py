"""Online averages with one buffer."""

from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.averaging import _clock
from paramspace.averaging import _weights


class RunningState(NamedTuple):
  """An average so far.

  Attributes:
    clock: Counts steps and samples.
    mean: The average, float32 or wider. Leaves that are not floating-point are
      those of the last update.
    lost: By leaf name, what rounding has taken from the mean, to be given back;
      empty where it is not compensated.
  """

  clock: _clock.Clock
  mean: base.Params
  lost: dict[str, jax.Array]


def averager(
  weights: _weights.Weights,
  every: int = 1,
  start: int = 0,
  dtype: Any = jnp.float32,
  compensated: bool = False,
) -> base.Averager:
  r"""Averages the parameters of a training run while it goes on.

    a <- a + w (theta - a),  w = 1 for the first sample.

  In this form a constant stays what it is to the bit, and w alone is rounded,
  not d and 1 - d. The stated profile is realised whatever `every` is: a sample
  stands for all the steps since the last one. Leaves that are not floating are
  those of the last step.

  Args:
    weights: The sequence of w: `uniform()`, `ema(decay)`,
      `power(sigma_rel=...)`, `halflife(fraction)`.
    every: Steps between samples.
    start: Steps before those that are averaged. Until the first sample is
      taken, the average is the last parameters.
    dtype: Of the accumulator, float32 or float64; a leaf that is wider keeps
      its own.
    compensated: Whether to carry the rounding errors along (Kahan), for as much
      memory again.

  Returns:
    An `Averager`; `update` is called after every training step.

  Raises:
    ValueError: If an argument is out of its range.

  Note: A float32 accumulator stops when |w (theta - a)| is below half a unit in
  its last place: on a trajectory that has settled it stays up to 2^-24 / w off,
  relatively: 6e-5 for an EMA of .999, 6e-4 for .9999. Noise of that size in the
  parameters hides it. `compensated` takes it away; use it for w below 1e-4.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import averaging
    >>> avg = averaging.averager(averaging.uniform())
    >>> state = avg.init({'w': jnp.zeros(2)})
    >>> update = jax.jit(avg.update, donate_argnums=1)
    >>> for step in range(1, 4):
    ...   state = update({'w': jnp.array([1.0, step])}, state)
    >>> avg.value(state)['w']
    Array([1., 2.], dtype=float32)

  References:
    Polyak and Juditsky, 1992, https://doi.org/10.1137/0330046, and the sources
    of the weights. Kahan, 1965, https://doi.org/10.1145/363707.363723.
  """
  tick = _clock.make(every, start)
  if jnp.dtype(dtype) not in (jnp.float32, jnp.float64):
    raise ValueError(
      '`dtype` must be float32 or float64: narrower accumulators stop moving, '
      f'got {jnp.dtype(dtype).name}.'
    )

  def init(params: base.Params) -> RunningState:
    wide = {
      name: jnp.array(x, _wider(x.dtype, dtype))
      for name, x in trees.floating(params).items()
    }
    lost = jax.tree.map(jnp.zeros_like, wide) if compensated else {}
    return RunningState(_clock.zero(), trees.replace(params, wide), lost)

  def update(params: base.Params, state: RunningState) -> RunningState:
    new = trees.check_shapes(state.mean, params, 'the parameters')
    old = trees.floating(state.mean)
    clock, sample = tick(state.clock)
    w = jnp.where(
      state.clock.count == 0,
      1.0,
      weights.weight(sample.time, sample.interval, sample.index),
    )

    def mix(old, lost):
      mixed = {n: _mix(a, new[n], w, lost.get(n)) for n, a in old.items()}
      mean = {n: a for n, (a, _) in mixed.items()}
      return mean, {n: mixed[n][1] for n in lost}

    mean, lost = _clock.when(sample.take, mix, (old, state.lost))
    return RunningState(clock, trees.replace(params, mean), lost)

  return base.Averager(init, update, value)


def value(state: RunningState, like: base.Params | None = None) -> base.Params:
  """Returns the average; in the dtypes of `like`, if that is given."""
  return state.mean if like is None else trees.cast(state.mean, like)


def _wider(a: Any, b: Any) -> Any:
  return a if jnp.finfo(a).bits > jnp.finfo(b).bits else b


def _mix(
  a: jax.Array, x: jax.Array, w: jax.Array, lost: jax.Array | None
) -> tuple[jax.Array, jax.Array | None]:
  """Returns a + w (x - a), and what is lost in it."""
  x, w = x.astype(a.dtype), w.astype(a.dtype)
  if lost is None:  # a + 1 (x - a) is not x to the bit.
    return jnp.where(w == 1, x, a + w * (x - a)), None
  step = w * ((x - a) + lost) - lost
  moved = a + step
  return jnp.where(w == 1, x, moved), jnp.where(w == 1, 0, (moved - a) - step)
