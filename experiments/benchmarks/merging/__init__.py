"""What merging costs, beside mergekit on the same arrays, and beside a copy.

A million parameters a second are those of one model, of which several are read.
"""

import os
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.benchmarks import clock
from experiments.benchmarks.merging import methods
from experiments.benchmarks.merging import peer
from paramspace import base as types
from paramspace import merging
from paramspace import resolve
from paramspace import trees
from paramspace.launch import errors

BASE = 'base'
KEY = jax.random.key(0)


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Measures one method, by each of our definitions and by the peer.

  Args:
    config: See `configs/benchmarks/merging.py`.
    run: A `launch.run.Run`.

  Returns:
    A row for each definition, and the machine.
  """
  del run
  if config.method not in methods.METHODS:
    known = list(methods.METHODS)
    raise errors.UsageError(resolve.unknown('method', config.method, known))
  method = methods.METHODS[config.method]
  models = parameters(config)
  base, tuned = models[BASE], {n: x for n, x in models.items() if n != BASE}
  tuned = dict(list(tuned.items())[: method.most])
  ours = {
    definition: lambda r=recipe: merging.merge(base, tuned, r, key=KEY)
    for definition, recipe in method.recipes.items()
  }
  theirs = peer.merge(method, config.method, base, tuned)
  programs = ours | {'copy': lambda: read_all(base, tuned)}
  programs |= {} if theirs is None else {'peer': theirs}
  seconds = clock.interleaved(programs, config.rounds)
  return {
    'rows': [
      _row(config.method, definition, trees.size(base), seconds)
      | _difference(method, definition, base, program, theirs)
      for definition, program in ours.items()
    ],
    'peer': peer.version() or peer.HINT,
    'device': jax.devices()[0].device_kind,
    'cores': os.cpu_count(),
  }


def parameters(config: ml_collections.ConfigDict) -> dict[str, types.Params]:
  """Returns the base, and models whose deltas are a twentieth of it."""

  def draw(model: int, leaf: int) -> jax.Array:
    key = jax.random.fold_in(jax.random.key(model), leaf)
    return jax.random.normal(key, (config.side, config.side))

  names = [f'Dense_{i}/kernel' for i in range(config.leaves)]
  base = {name: 0.02 * draw(0, i) for i, name in enumerate(names)}
  moved = lambda m: {
    name: base[name] + 0.001 * draw(m, i) for i, name in enumerate(names)
  }
  return {BASE: base} | {f'm{m}': moved(m) for m in range(1, config.models + 1)}


@jax.jit
def read_all(base: types.Params, tuned: types.Params) -> types.Params:
  """Reads the base and the models, and writes one: no merge can do less."""
  return jax.tree.map(lambda *xs: sum(xs[1:], xs[0]), base, *tuned.values())


def _row(
  method: str, definition: str, size: int, seconds: dict[str, np.ndarray]
) -> dict[str, Any]:
  own = seconds[definition]
  rate = lambda name: float(size / np.median(seconds[name]) / 1e6)
  row = {
    'method': method,
    'definition': definition,
    'D': size,
    'mparams_s': rate(definition),
    'copy_mparams_s': rate('copy'),
    **_spread('of_copy', seconds['copy'] / own),
  }
  if 'peer' in seconds:
    row['peer_mparams_s'] = rate('peer')
    row |= _spread('times', seconds['peer'] / own)
  return row


def _spread(name: str, ratios: np.ndarray) -> dict[str, float]:
  """Returns the median of the rounds, the lowest and the highest."""
  return {
    name: float(np.median(ratios)),
    f'{name}_low': float(ratios.min()),
    f'{name}_high': float(ratios.max()),
  }


def _difference(
  method: methods.Method,
  definition: str,
  base: types.Params,
  program: Any,
  theirs: Any,
) -> dict[str, float]:
  """Returns how far the two results are apart, where they should be equal.

  Relative to the largest change of the base.
  """
  if theirs is None or method.draws or definition != 'mergekit':
    return {}
  got, expected = program(), peer.arrays(theirs())
  apart = max(float(jnp.abs(x - expected[n]).max()) for n, x in got.items())
  moved = max(float(jnp.abs(x - base[n]).max()) for n, x in got.items())
  return {'difference': apart / moved}
