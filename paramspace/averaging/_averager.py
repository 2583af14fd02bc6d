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
  """

  clock: _clock.Clock
  mean: base.Params


class CompensatedState(NamedTuple):
  """An average so far, and what rounding has done to it.

  Attributes:
    clock: Counts steps and samples.
    mean: As that of `RunningState`, but complex: the real part is the average,
      the imaginary part what rounding has added to it.
  """

  clock: _clock.Clock
  mean: base.Params


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

  state, step = (
    (CompensatedState, _compensated_step)
    if compensated
    else (RunningState, _step)
  )

  def init(params: base.Params) -> RunningState | CompensatedState:
    mean = {
      name: jnp.array(x, _wider(x.dtype, dtype))
      for name, x in trees.floating(params).items()
    }
    if compensated:
      _check_real(params)
      mean = {name: jax.lax.complex(a, 0 * a) for name, a in mean.items()}
    return state(
      _clock.zero(), trees.replace(jax.tree.map(jnp.array, params), mean)
    )

  def update(
    params: base.Params, old: RunningState | CompensatedState
  ) -> RunningState | CompensatedState:
    new = trees.check_shapes(value(old), params, 'the parameters')
    new = {name: x for name, x in new.items() if trees.is_floating(x)}
    means = trees.named(old.mean)
    clock, sample = tick(old.clock)
    w = jnp.where(
      old.clock.count == 0,
      1.0,
      weights.weight(sample.time, sample.interval, sample.index),
    )

    def mix(means):
      return ({name: step(a, new[name], w) for name, a in means.items()},)

    (means,) = _clock.when(sample.take, mix, ({n: means[n] for n in new},))
    return state(clock, trees.replace(params, means))

  return base.Averager(init, update, value)


def value(
  state: RunningState | CompensatedState, like: base.Params | None = None
) -> base.Params:
  """Returns the average; in the dtypes of `like`, if that is given."""
  found = state.mean
  if isinstance(state, CompensatedState):
    real = lambda x: jnp.real(x) if _is_complex(x) else x
    found = jax.tree.map(real, found)
  return found if like is None else trees.cast(found, like)


def _is_complex(x: jax.Array) -> bool:
  return jnp.issubdtype(x.dtype, jnp.complexfloating)


def _check_real(params: base.Params) -> None:
  for name, x in trees.named(params).items():
    if _is_complex(x):
      raise ValueError(
        f'Leaf {name!r} is {x.dtype}; a compensated average takes none that '
        'is complex. Leave it out, or average without `compensated`.'
      )


def _wider(a: Any, b: Any) -> Any:
  return a if jnp.finfo(a).bits > jnp.finfo(b).bits else b


def _step(a: jax.Array, x: jax.Array, w: jax.Array) -> jax.Array:
  """Returns a + w (x - a)."""
  x, w = x.astype(a.dtype), w.astype(a.dtype)
  return jnp.where(w == 1, x, a + w * (x - a))  # a + 1 (x - a) may not be x.


def _compensated_step(pair: jax.Array, x: jax.Array, w: jax.Array) -> jax.Array:
  """Returns the same, and what was lost in it.

  Both are one array of pairs, which XLA updates in place. Of two arrays it
  computes one after the other on CPU, from copies of the old ones.
  """
  a, lost = jnp.real(pair), jnp.imag(pair)
  x, w = x.astype(a.dtype), w.astype(a.dtype)
  step = w * ((x - a) + lost) - lost
  moved = a + step
  first = w == 1
  return jax.lax.complex(
    jnp.where(first, x, moved),
    jnp.where(first, jnp.zeros_like(a), (moved - a) - step),
  )
