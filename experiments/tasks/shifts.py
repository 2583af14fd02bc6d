"""Digits that differ from those of MNIST: what is out of its distribution."""

import numpy as np


def rotate(images: np.ndarray, degrees: float) -> np.ndarray:
  """Turns images about their centre, counterclockwise.

  Args:
    images: uint8 `[N, H, W, C]`.
    degrees: The angle.

  Returns:
    uint8 of the same shape, interpolated; what comes from outside is 0.
  """
  _, height, width, _ = images.shape
  angle = np.deg2rad(degrees)
  y = np.arange(height)[:, None] - (height - 1) / 2
  x = np.arange(width)[None] - (width - 1) / 2
  # Where each pixel of the result comes from. The y axis points down.
  return _sample(
    images,
    np.cos(angle) * y + np.sin(angle) * x + (height - 1) / 2,
    np.cos(angle) * x - np.sin(angle) * y + (width - 1) / 2,
  )


def like_mnist(images: np.ndarray, side: int = 28, box: int = 20) -> np.ndarray:
  """Scales digits that fill their images to the size that they have in MNIST.

  Args:
    images: uint8 `[N, H, W, C]`.
    side: Height and width of the result.
    box: Height and width of the digit, in the middle of it.

  Returns:
    uint8 `[N, side, side, C]`.

  References:
    LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist: digits fit into a
    box of 20x20 pixels, placed in 28x28 by the centre of their mass. Here the
    box is placed by its own.
  """
  _, height, width, _ = images.shape
  offset = np.arange(side) - (side - box) / 2 + 0.5  # Pixels have a middle.
  y = (offset * height / box - 0.5)[:, None]
  x = (offset * width / box - 0.5)[None]
  return _sample(images, *np.broadcast_arrays(y, x))


def _sample(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
  """Returns the images at the positions `y, x`, `[H', W']`, bilinearly."""
  _, height, width, _ = images.shape
  padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
  y, x = np.clip(y + 1, 0, height + 1), np.clip(x + 1, 0, width + 1)
  top = np.minimum(y.astype(int), height)
  left = np.minimum(x.astype(int), width)
  down, right = (
    d.astype(np.float32)[None, ..., None] for d in (y - top, x - left)
  )
  mix = lambda a, b, t: a + (b.astype(np.float32) - a) * t
  upper = mix(padded[:, top, left], padded[:, top, left + 1], right)
  lower = mix(padded[:, top + 1, left], padded[:, top + 1, left + 1], right)
  return np.rint(mix(upper, lower, down)).astype(np.uint8)
