"""What the hardware does at best: bytes and operations in a second."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from experiments.benchmarks import clock


class Rates(NamedTuple):
  """Measured rates of one device.

  Attributes:
    bytes: Bytes a second, read and written, in adding to an array in place.
    flops: Operations a second in a product of float32 matrices.
  """

  bytes: float
  flops: float


def measure(size: int, batch: int = 128, repeats: int = 20) -> Rates:
  """Measures both rates on arrays as large as those of the problem.

  Args:
    size: Parameters, D.
    batch: Rows of the left factor of the product.
    repeats: Passes in one program.

  Returns:
    The best rates of a few rounds.
  """
  side = max(128, int(size**0.5))
  x = jnp.ones((side, side))
  left = jnp.ones((batch, side))

  @functools.partial(jax.jit, donate_argnums=0)
  def stream(x):
    once = lambda _, x: jax.lax.optimization_barrier(x + 1.0)
    return jax.lax.fori_loop(0, repeats, once, x)

  @jax.jit
  def product(left, x):
    once = lambda _, y: jnp.tanh(y @ x)
    return jax.lax.fori_loop(0, repeats, once, left)

  held = [x.copy()]

  def streamed():
    held[0] = stream(held[0])
    return held[0]

  seconds = clock.interleaved(
    {'stream': streamed, 'product': lambda: product(left, x)}, rounds=5
  )
  return Rates(
    bytes=repeats * 2 * x.nbytes / seconds['stream'].min(),
    flops=repeats * 2 * batch * x.size / seconds['product'].min(),
  )


def subspace(name: str, size: int, dim: int, rates: Rates) -> float:
  """Returns the least seconds that a projection adds to a gradient.

  Counted are a read of theta_0, a write of theta and a read of its gradient,
  12 D bytes, and what the projection itself reads and computes, both ways. The
  subspace has no optimizer over D to pay for.

  Args:
    name: Of the projection.
    size: Parameters, D.
    dim: Coordinates, d.
    rates: The device's.
  """
  length = 1 << (size - 1).bit_length()
  log = lambda n: max(1, (n - 1).bit_length())
  traffic, operations = {
    'hashed': (2 * size / 8, 2 * size),
    'hadamard': (2 * size / 8, 2 * size * log(dim)),
    'fastfood': (2 * 12 * length, 2 * length * log(length)),
    'dense': (2 * 4 * size * dim, 4 * size * dim),
    'sparse': (2 * 5 * dim * size**0.5, 4 * dim * size**0.5),
  }[name]
  return (12 * size + traffic) / rates.bytes + operations / rates.flops
