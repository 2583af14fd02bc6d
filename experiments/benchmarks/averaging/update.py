"""One update of an average, over one pass that adds the parameters up.

Both read the parameters and a float32 buffer and write the buffer, in place.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.benchmarks import clock
from experiments.benchmarks import floor
from experiments.benchmarks.averaging import methods
from paramspace import base
from paramspace import trees

LEAVES = 16


def run(config: ml_collections.ConfigDict) -> list[dict[str, Any]]:
  """Times every method at one size.

  Args:
    config: `size`, `dtype`, `calls` in a row and `rounds`.

  Returns:
    A row for each method: milliseconds of an update, the median, lowest and
    highest of its ratio to the pass, and how far it is from the floor, the
    bytes over the bandwidth.
  """
  params = parameters(config.size, config.dtype)
  size = trees.size(params)
  total = jax.tree.map(lambda x: jnp.zeros(x.shape), params)
  measured = {**methods.ours(), **methods.by_hand()}
  states = {n: jax.jit(m.init)(params) for n, m in measured.items()}
  bandwidth = float(floor.measure(size, batch=1).bytes)
  least = {
    name: m.share * (_bytes(params) + 2 * _bytes(states[name])) / bandwidth
    for name, m in measured.items()
  }
  programs = {'add': _calls(methods.add, params, total, config.calls)}
  programs |= {
    name: _calls(m.update, params, states.pop(name), config.calls)
    for name, m in measured.items()
  }
  seconds = clock.interleaved(programs, config.rounds)
  each = {n: float(s.min() / config.calls) for n, s in seconds.items()}
  ratios = {name: seconds[name] / seconds['add'] for name in measured}
  return [
    {
      'method': name,
      'dtype': config.dtype,
      'D': size,
      'ratio': float(np.median(ratios[name])),
      'ratio_low': float(ratios[name].min()),
      'ratio_high': float(ratios[name].max()),
      'update_ms': 1e3 * each[name],
      'add_ms': 1e3 * each['add'],
      'floor_ms': 1e3 * least[name],
      'over_floor': each[name] / least[name],
    }
    for name in measured
  ]


def parameters(size: int, dtype: str) -> base.Params:
  """Returns about `size` parameters in `LEAVES` equal leaves."""
  count = size // LEAVES
  draw = lambda i: jax.random.normal(jax.random.key(i), count).astype(dtype)
  return {f'w{i}': draw(i) for i in range(LEAVES)}


def _bytes(tree: Any) -> int:
  return sum(x.nbytes for x in jax.tree.leaves(tree))


def _calls(
  update: Callable[[base.Params, Any], Any],
  params: base.Params,
  state: Any,
  count: int,
) -> Callable[[], Any]:
  """Returns what updates a state some times in a row, in its own memory."""
  step = jax.jit(update, donate_argnums=1)
  held = [state]

  def calls():
    for _ in range(count):
      held[0] = step(params, held[0])
    return held[0]

  return calls
