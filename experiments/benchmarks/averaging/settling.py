"""How far an average is from what it should be, once its input has settled.

The parameter is 1 at the first step, and 1.5 at all others, for ten time
constants of the average. Compared is with its own weights in float64.
"""

from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from experiments.benchmarks.averaging import methods

FIRST, SETTLED = 1.0, 1.5
NAMES = ('ema', 'ema, compensated', 'optax.incremental_update', 'optax.ema')


def run(config: ml_collections.ConfigDict) -> list[dict[str, Any]]:
  """Measures every exponential moving average.

  Args:
    config: `decays`.

  Returns:
    A row for each method, dtype and decay, with its relative error.
  """
  rows = []
  for decay in config.decays:
    measured = {**methods.ours(decay), **methods.by_hand(decay)}
    for dtype in ('float32', 'bfloat16'):
      for name in NAMES:
        error = _error(measured[name], name, dtype, decay)
        row = {'method': name, 'dtype': dtype, 'decay': decay, 'error': error}
        rows.append(row)
  return rows


def _error(
  method: methods.Method, name: str, dtype: str, decay: float
) -> float:
  steps = round(10 / (1 - decay))
  first, settled = (jnp.full(1, x, dtype) for x in (FIRST, SETTLED))

  @jax.jit
  def average():
    state = method.update(first, method.init(first))
    again = lambda _, state: method.update(settled, state)
    return method.value(jax.lax.fori_loop(1, steps, again, state))

  found = float(average()[0])
  of_first = decay ** (steps - 1)
  if name == 'optax.ema':  # Corrected for a start at zero.
    of_first *= (1 - decay) / (1 - decay**steps)
  exact = SETTLED + of_first * (FIRST - SETTLED)
  return abs(found - exact) / exact
