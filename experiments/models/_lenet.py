"""LeNet, as in the intrinsic dimension paper."""

import jax
from flax import linen as nn

from experiments.models import _convolution


class LeNet(nn.Module):
  """Two convolutions with pooling, then three dense layers.

  Attributes:
    classes: The number of logits.
  """

  classes: int

  @nn.compact
  def __call__(self, images: jax.Array) -> jax.Array:
    """Maps images `[n, H, W, C]` to logits `[n, classes]`."""
    he_normal = nn.initializers.he_normal()
    x = images
    for features in (6, 16):
      x = _convolution.Conv(features, (5, 5), he_normal)(x)
      # The paper rectifies first. Both orders agree, as max commutes with a
      # nondecreasing function, and this one rectifies a quarter of the values.
      x = nn.relu(_convolution.max_pool(x))
    x = x.reshape(len(x), -1)
    for features in (120, 84):
      x = nn.relu(nn.Dense(features, kernel_init=he_normal)(x))
    return nn.Dense(self.classes, kernel_init=he_normal)(x)


def lenet(*, classes: int) -> LeNet:
  """LeNet with 6 and 16 channels of 5x5, 120 and 84 units, rectified.

  D = 44,426 on MNIST and 62,006 on CIFAR-10. He-normal kernels, zero biases.

  Args:
    classes: The number of logits.

  Returns:
    The module.

  References:
    LeCun et al, 1998, https://doi.org/10.1109/5.726791, Section II.B.
    Li et al, 2018, https://arxiv.org/abs/1804.08838, Section 3.2.
  """
  return LeNet(classes=classes)
