"""The Walsh-Hadamard transform as a few small matrix products."""

import math

import jax
import jax.numpy as jnp
import numpy as np

FACTOR = 64  # Largest matrix; its product is bound by memory on most devices.


def hadamard_matrix(n: int) -> np.ndarray:
  """Returns Sylvester's Hadamard matrix, `[n, n]` of +-1, n a power of two.

  >>> hadamard_matrix(2)
  array([[ 1.,  1.],
         [ 1., -1.]], dtype=float32)
  """
  bits = np.arange(n)[:, None] & np.arange(n)
  return np.where(np.bitwise_count(bits) % 2, -1, 1).astype(np.float32)


def wht(x: jax.Array) -> jax.Array:
  """Returns H x along the last axis, unnormalised, H H = n I.

  H of 2^(a+b) is the Kronecker product of H of 2^a and H of 2^b: the axis is
  split into factors of at most `FACTOR`, and each is transformed by a matrix
  product in full float32 (TF32 would lose three digits).

  Args:
    x: `[..., n]`, n a power of two.

  Returns:
    `[..., n]`.
  """
  *batch, n = x.shape
  exponent = n.bit_length() - 1
  parts = max(1, math.ceil(exponent / math.log2(FACTOR)))
  split = [exponent // parts + (i < exponent % parts) for i in range(parts)]
  y = x.reshape(math.prod(batch), n)
  for bits in split:
    # Transform the leading factor and move it to the back.
    h = jnp.asarray(hadamard_matrix(2**bits), x.dtype)
    y = y.reshape(y.shape[0], 2**bits, n >> bits)
    y = jnp.einsum('bij,ik->bjk', y, h, precision='highest')
  return y.reshape(x.shape)
