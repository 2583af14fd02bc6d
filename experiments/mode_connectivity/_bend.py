"""A segment between two models, bent in a random subspace, and its training."""

import functools
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramspace import averaging
from paramspace import base
from paramspace import reparam


class Fit(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    z: The coordinates.
    optimizer: The optimizer's state.
  """

  z: Any
  optimizer: optax.OptState


class Segment(NamedTuple):
  """What is bent, and where.

  Attributes:
    a: The parameters at t = 0.
    b: Those at t = 1.
    dim: The number of trained coordinates; the others are masked.
    frozen: That of the reparameterization.
    key: Draws t.
  """

  a: base.Params
  b: base.Params
  dim: jax.Array
  frozen: Any
  key: jax.Array


class Program(NamedTuple):
  """The compiled functions of one shape of network.

  Attributes:
    optimizer: Of the coordinates.
    init: `(key, params) -> (z, frozen)`.
    offset: `(z, segment) -> P z`, a tree like the parameters.
    at: `(z, segment, t) -> theta_z(t)`.
    train: `(fit, segment, step, batches, split) -> (fit, mean loss)`.
  """

  optimizer: optax.GradientTransformation
  init: Callable[..., tuple]
  offset: Callable[..., base.Params]
  at: Callable[..., base.Params]
  train: Callable[..., tuple[Fit, jax.Array]]


@functools.lru_cache(maxsize=2)
def program(
  loss: Callable[..., jax.Array],
  direct: bool,
  most: int,
  learning_rate: float,
) -> Program:
  """Returns compiled functions, the same ones for the same arguments.

  Args:
    loss: `(params, images, labels) -> scalar`.
    direct: Whether to bend in all parameters, and not in a subspace.
    most: The coordinates of the subspace, of which a segment's first `dim`
      count: one program serves every dimension.
    learning_rate: Of Adam.
  """
  method = reparam.full() if direct else reparam.hadamard(most)
  optimizer = optax.adam(learning_rate)

  def init(key, params):
    return method.init(key, jax.tree.map(jnp.zeros_like, params))

  def offset(z, segment):
    zeros = jax.tree.map(jnp.zeros_like, segment.a)
    if not direct:
      z = jnp.where(jnp.arange(most) < segment.dim, z, 0)
    return method.apply(zeros, z, segment.frozen)

  def at(z, segment, t):
    bent = 2 * t * (1 - t)
    return jax.tree.map(
      lambda x, y: x + bent * y,
      averaging.lerp(segment.a, segment.b, t),
      offset(z, segment),
    )

  def train(fit, segment, step, batches, split):
    def one_step(fit, inputs):
      step, at_batch = inputs
      t = jax.random.uniform(jax.random.fold_in(segment.key, step))
      value, grad = jax.value_and_grad(
        lambda z: loss(
          at(z, segment, t), split.images[at_batch], split.labels[at_batch]
        )
      )(fit.z)
      updates, state = optimizer.update(grad, fit.optimizer, fit.z)
      return Fit(optax.apply_updates(fit.z, updates), state), value

    steps = step + jnp.arange(len(batches))
    fit, losses = jax.lax.scan(one_step, fit, (steps, batches))
    return fit, losses.mean()

  return Program(
    optimizer, jax.jit(init), jax.jit(offset), jax.jit(at), jax.jit(train)
  )
