"""A training step in a subspace, over a direct step, in one process.

The network is 784-w-w-10 with w chosen for the wanted D, on random images; a
step is loss, gradient and Adam. Programs of several steps are timed in turn, in
the same process, so that the ratio stands on a noisy machine.
"""

import functools
import math
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from experiments import models
from experiments.benchmarks import clock
from experiments.benchmarks import floor
from paramspace import base
from paramspace import reparam
from paramspace import resolve
from paramspace import trees
from paramspace.launch import memory

INPUTS, CLASSES = 784, 10
DRAWING = 4  # Times its size that a dense basis takes while it is drawn.


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Times one projection at one size.

  Args:
    config: See `configs/benchmarks/subspace_step.py`.
    run: A `launch.run.Run`.

  Returns:
    Times in milliseconds, their ratio, bytes, and the distance to the floor;
    only `'fits'` if the frozen part is too large for this machine.
  """
  del run
  model = models.make('fc', CLASSES, depth=2, width=_width(config.size))
  params = model.init(jax.random.key(0), jnp.zeros((1, INPUTS)))
  size = trees.size(params)
  name = config.method.name.rpartition('.')[2]
  sizes = {'method': name, 'D': size, 'd': config.method.dim}
  basis = 4 * size * config.method.dim
  if name == 'dense' and DRAWING * basis > memory.total():
    return sizes | {'fits': False}
  step = functools.partial(_program, config, model, params)
  method, bytes_frozen, bytes_peak = step(resolve.from_config(config.method))
  direct, _, direct_peak = step(reparam.full())
  gradient, _, _ = step(reparam.full(), update=False)
  seconds = clock.interleaved(
    {'method': method, 'direct': direct, 'gradient': gradient}, config.rounds
  )
  best = {k: float(v.min()) / config.steps * 1e3 for k, v in seconds.items()}
  ratios = seconds['method'] / seconds['direct']
  least = 1e3 * floor.subspace(
    name, size, config.method.dim, floor.measure(size)
  )
  return sizes | {
    'fits': True,
    'ratio': float(np.median(ratios)),
    'ratio_low': float(ratios.min()),
    'ratio_high': float(ratios.max()),
    'step_ms': best['method'],
    'direct_ms': best['direct'],
    'gradient_ms': best['gradient'],
    'floor_ms': least,
    'over_floor': (best['method'] - best['gradient']) / least,
    'frozen_bytes_per_parameter': bytes_frozen / size,
    'peak_bytes': bytes_peak,
    'direct_peak_bytes': direct_peak,
    'device': jax.devices()[0].device_kind,
    'cores': os.cpu_count(),
  }


def _program(
  config: ml_collections.ConfigDict,
  model: Any,
  params: base.Params,
  method: base.Reparam,
  update: bool = True,
) -> tuple[Callable[[], Any], int, int]:
  """Compiles `config.steps` training steps.

  Returns:
    What runs them, the bytes of the frozen part, and the bytes that the program
    has in use at its peak.
  """
  optimizer = optax.adam(1e-3)
  keys = jax.random.split(jax.random.key(1), 3)
  images = jax.random.uniform(keys[0], (config.steps, config.batch, INPUTS))
  labels = jax.random.randint(keys[1], (config.steps, config.batch), 0, CLASSES)
  z, frozen = jax.jit(method.init)(keys[2], params)

  def loss(z, params, frozen, images, labels):
    logits = model.apply(method.apply(params, z, frozen), images)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()

  @functools.partial(jax.jit, donate_argnums=0)
  def steps(state, params, frozen, images, labels):
    def step(state, batch):
      z, adam = state
      if update:
        grad = jax.grad(loss)(z, params, frozen, *batch)
        updates, adam = optimizer.update(grad, adam)
        return (optax.apply_updates(z, updates), adam), None
      # The gradient is written over `adam`, and so is not optimized away.
      return (z, jax.grad(loss)(z, params, frozen, *batch)), None

    return jax.lax.scan(step, state, (images, labels))[0]

  other = optimizer.init(z) if update else jax.tree.map(jnp.zeros_like, z)
  state = (z, other)
  arguments = (params, frozen, images, labels)
  compiled = steps.lower(state, *arguments).compile()
  used = compiled.memory_analysis()
  held = [state]

  def advance():
    held[0] = compiled(held[0], *arguments)
    return held[0]

  peak = (
    used.argument_size_in_bytes
    + used.output_size_in_bytes
    + used.temp_size_in_bytes
    - used.alias_size_in_bytes
  )
  return advance, sum(x.nbytes for x in jax.tree.leaves(frozen)), peak


def _width(size: int) -> int:
  """Returns w, a multiple of 8, for a 784-w-w-10 network of about that size."""
  linear = INPUTS + CLASSES + 2
  root = (math.sqrt(linear**2 + 4 * (size - CLASSES)) - linear) / 2
  return 8 * round(root / 8)
