"""A small convolutional network with batch normalization."""

from collections.abc import Sequence

import jax
from flax import linen as nn

from experiments.models import _convolution


class CNN(nn.Module):
  """Blocks of convolution, pooling and batch norm, then a linear classifier.

  Its variables have a second collection, `'batch_stats'`: running means and
  variances, which it normalizes by unless it is training.

  Attributes:
    classes: The number of logits.
    widths: The number of channels of each block.
    momentum: How much of the running statistics a training step keeps.
  """

  classes: int
  widths: tuple[int, ...]
  momentum: float

  @nn.compact
  def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
    """Maps images `[n, H, W, C]` to logits `[n, classes]`."""
    he_normal = nn.initializers.he_normal()
    x = images
    for width in self.widths:
      # Not our `Conv`: one model at a time is trained, for which XLA's own
      # convolution is the fast one. The norm has a bias.
      x = nn.Conv(width, (3, 3), use_bias=False, kernel_init=he_normal)(x)
      # Pooled first, there is a quarter of the values to normalize.
      x = _convolution.max_pool(x)
      x = nn.relu(nn.BatchNorm(not train, momentum=self.momentum)(x))
    return nn.Dense(self.classes)(x.mean(axis=(1, 2)))


def cnn(
  *, classes: int, widths: Sequence[int] = (32, 64, 128), momentum: float = 0.9
) -> CNN:
  """A network of 3x3 convolutions, each with pooling and batch norm.

  D = 98,970 on CIFAR-10 with `widths=(16, 32, 64, 128)`. He-normal kernels, and
  the mean over what is left of the image before the classifier.

  Args:
    classes: The number of logits.
    widths: The number of channels of each block; each halves the image.
    momentum: How much of the running statistics a training step keeps.

  Returns:
    The module; call it with `train=True, mutable=['batch_stats']` in training.

  Raises:
    ValueError: If a number is out of range.

  References:
    Ioffe and Szegedy, 2015, Batch Normalization,
    https://arxiv.org/abs/1502.03167.
  """
  if not widths or min(widths) < 1:
    raise ValueError(f'`widths` must be positive, one or more, got {widths}.')
  if not 0 <= momentum < 1:
    raise ValueError(f'`momentum` must lie in [0, 1), got {momentum}.')
  return CNN(classes=classes, widths=tuple(widths), momentum=momentum)
