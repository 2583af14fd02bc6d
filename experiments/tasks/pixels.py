"""What is done to pixels before a model sees them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base


def shuffle(images: np.ndarray, seed: int = 0) -> np.ndarray:
  """Applies one permutation of the pixel positions to every image.

  Args:
    images: `[N, H, W, C]`.
    seed: Determines the permutation, together with H * W.

  Returns:
    The same pixels at other positions; a pixel's channels stay together.

  References:
    Li et al, 2018, https://arxiv.org/abs/1804.08838, Section 3.1; Zhang et al,
    2017, https://arxiv.org/abs/1611.03530.
  """
  n, height, width, channels = images.shape
  order = np.random.default_rng(seed).permutation(height * width)
  flat = images.reshape(n, height * width, channels)
  return flat[:, order].reshape(images.shape)


def to_unit(images: jax.Array) -> jax.Array:
  """Maps 0 to 255 onto float32 in [0, 1]."""
  return jnp.asarray(images).astype(jnp.float32) / 255


def standardize(reference: np.ndarray) -> Callable[[jax.Array], jax.Array]:
  """Makes a function that centres and scales each channel.

  Args:
    reference: uint8 `[N, H, W, C]`, whose channels get mean 0 and deviation 1.

  Returns:
    A function from uint8 `[n, H, W, C]` to float32 of that shape.
  """
  sums = reference.sum(axis=(0, 1, 2), dtype=np.int64)
  squares = np.einsum(
    'nhwc,nhwc->c', reference, reference, dtype=np.int64, casting='safe'
  )
  count = reference.size // reference.shape[-1]
  mean = sums / count  # [C]
  deviation = np.sqrt(squares / count - mean**2)
  mean, deviation = (
    x.astype(np.float32)[None, None, None] for x in (mean, deviation)
  )
  return lambda images: (jnp.asarray(images, jnp.float32) - mean) / deviation


def flip_and_shift(
  key: base.PRNGKey, images: jax.Array, reach: int = 4
) -> jax.Array:
  """Mirrors half of the images, and moves each a few pixels.

  Args:
    key: Of the draw.
    images: `[n, H, W, C]`.
    reach: The largest move up, down, left and right.

  Returns:
    Images of the same shape and type; what is moved in is zero.

  References:
    He et al, 2016, https://arxiv.org/abs/1512.03385, Section 4.2.
  """
  key_flip, key_shift = jax.random.split(key)
  n, height, width, channels = images.shape
  flip = jax.random.bernoulli(key_flip, shape=(n, 1, 1, 1))
  images = jnp.where(flip, images[:, :, ::-1], images)
  sides = ((0, 0), (reach, reach), (reach, reach), (0, 0))
  corners = jax.random.randint(key_shift, (n, 2), 0, 2 * reach + 1)

  def crop(image, corner):
    start = (*corner, jnp.zeros_like(corner[0]))
    return jax.lax.dynamic_slice(image, start, (height, width, channels))

  return jax.vmap(crop)(jnp.pad(images, sides), corners)
