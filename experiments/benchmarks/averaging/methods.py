"""The averages that are measured: ours, and those written by hand with optax.

Each is a pair of `init(params) -> state` and `update(params, state) -> state`.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramspace import averaging
from paramspace import base

DECAY = 0.999


class Method(NamedTuple):
  """What is run once a step.

  Attributes:
    init: `(params) -> state`.
    update: `(params, state) -> state`.
    value: `(state) -> params`.
    share: Of the updates that have anything to do.
  """

  init: Callable[[base.Params], Any]
  update: Callable[[base.Params, Any], Any]
  value: Callable[[Any], base.Params]
  share: float = 1


def add(params: base.Params, total: base.Params) -> base.Params:
  """Returns the sum, the least that can be done with every parameter."""
  return jax.tree.map(lambda t, x: t + x.astype(t.dtype), total, params)


def ours(decay: float = DECAY, every: int = 10) -> dict[str, Method]:
  """Returns averagers by name.

  Args:
    decay: Of the exponential moving averages.
    every: Of the one that skips steps.
  """
  make = lambda *options, **more: Method(*averaging.averager(*options, **more))
  ema = averaging.ema(decay)
  return {
    'uniform': make(averaging.uniform()),
    'ema': make(ema),
    'power': make(averaging.power(sigma_rel=0.1)),
    'ema, compensated': make(ema, compensated=True),
    f'ema, every {every}': make(ema, every=every)._replace(share=1 / every),
  }


def by_hand(decay: float = DECAY) -> dict[str, Method]:
  """Returns what is usually written with optax, in the parameters' dtypes.

  Args:
    decay: Of the exponential moving averages.
  """
  ema = optax.ema(decay)
  return {
    'optax.incremental_update': Method(
      init=lambda x: jax.tree.map(jnp.array, x),
      update=lambda x, a: optax.incremental_update(x, a, 1 - decay),
      value=lambda a: a,
    ),
    'optax.ema': Method(
      init=lambda x: (jax.tree.map(jnp.array, x), ema.init(x)),
      update=lambda x, state: ema.update(x, state[1]),
      value=lambda state: state[0],
    ),
  }
