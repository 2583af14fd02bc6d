"""Fully connected networks."""

import jax
from flax import linen as nn


class FC(nn.Module):
  """A fully connected network with rectified units.

  Attributes:
    classes: The number of logits.
    depth: The number of hidden layers.
    width: The number of units of each.
  """

  classes: int
  depth: int
  width: int

  @nn.compact
  def __call__(self, images: jax.Array) -> jax.Array:
    """Maps images `[n, H, W, C]` to logits `[n, classes]`."""
    dense = lambda n: nn.Dense(n, kernel_init=nn.initializers.he_normal())
    x = images.reshape(len(images), -1)  # [n, H * W * C]
    for _ in range(self.depth):
      x = nn.relu(dense(self.width)(x))
    return dense(self.classes)(x)


def fc(*, classes: int, depth: int, width: int) -> FC:
  """A fully connected network, He-normal kernels and zero biases.

  MNIST's 784-200-200-10 (D = 199,210) is `depth=2, width=200`.

  Args:
    classes: The number of logits.
    depth: The number of hidden layers, 0 for a linear classifier.
    width: The number of units of each.

  Returns:
    The module.

  Raises:
    ValueError: If a number is out of range.

  References:
    Li et al, 2018, https://arxiv.org/abs/1804.08838, Section 3.1.
  """
  if depth < 0:
    raise ValueError(f'`depth` must not be negative, got {depth}.')
  if width < 1:
    raise ValueError(f'`width` must be positive, got {width}.')
  return FC(classes=classes, depth=depth, width=width)
