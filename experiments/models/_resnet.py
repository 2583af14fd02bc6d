"""Residual networks for small images, with batch or with layer norm."""

import functools
from collections.abc import Callable

import jax
from flax import linen as nn

STAGES = (1, 2, 4)  # Their channels, over those of the first.


class ResNet(nn.Module):
  """A convolution, three stages of residual blocks, and a linear classifier.

  Attributes:
    classes: The number of logits.
    channels: Those of the first stage; the others have 2 and 4 times as many.
    blocks: The number of blocks of each stage.
    momentum: How much of the running statistics a training step keeps; None
      for layer norm, over channels, in the place of batch norm.
  """

  classes: int
  channels: int
  blocks: int
  momentum: float | None

  @nn.compact
  def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
    """Maps images `[n, H, W, C]` to logits `[n, classes]`."""
    norm = nn.LayerNorm
    if self.momentum is not None:
      norm = functools.partial(nn.BatchNorm, not train, momentum=self.momentum)
    x = nn.relu(norm(name='norm')(_conv(self.channels, name='conv')(images)))
    for stage, factor in enumerate(STAGES):
      for k in range(self.blocks):
        strides = 2 if stage and not k else 1  # A stage halves the image.
        name = f'stage_{stage}_block_{k}'
        x = Block(self.channels * factor, strides, norm, name=name)(x)
    return nn.Dense(self.classes, name='head')(x.mean(axis=(1, 2)))


class Block(nn.Module):
  """Two convolutions, whose result is added to the input.

  Where the shape changes, the input goes through a 3x3 convolution of its own,
  as in Git Re-Basin.

  Attributes:
    channels: Of the output.
    strides: Of the first convolution.
    norm: Makes a normalisation.
  """

  channels: int
  strides: int
  norm: Callable[..., nn.Module]

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[n, H, W, C]` to `[n, H / strides, W / strides, channels]`."""
    y = _conv(self.channels, self.strides, name='conv_0')(x)
    y = nn.relu(self.norm(name='norm_0')(y))
    y = self.norm(name='norm_1')(_conv(self.channels, name='conv_1')(y))
    if x.shape[-1] != self.channels or self.strides > 1:
      x = _conv(self.channels, self.strides, name='conv_skip')(x)
      x = self.norm(name='norm_skip')(x)
    return nn.relu(x + y)


def _conv(channels: int, strides: int = 1, name: str = '') -> nn.Conv:
  # As of PyTorch 'same' pads both sides alike, also where it strides.
  return nn.Conv(
    channels,
    (3, 3),
    (strides, strides),
    padding=1,
    use_bias=False,
    kernel_init=nn.initializers.he_normal(),
    name=name,
  )


def resnet(
  *, classes: int, depth: int = 20, width: float = 1, momentum: float = 0.9
) -> ResNet:
  """A residual network with batch norm.

  ResNet-20 has 16, 32 and 64 channels: D = 292,954 on CIFAR-10 at `width=1`.

  Args:
    classes: The number of logits.
    depth: The number of layers, 6 n + 2: 8, 14, 20, and so on.
    width: By which the numbers of channels are multiplied.
    momentum: How much of the running statistics a training step keeps.

  Returns:
    The module; call it with `train=True, mutable=['batch_stats']` in training.

  Raises:
    ValueError: If a number is out of range.

  References:
    He et al, 2016, Deep Residual Learning, https://arxiv.org/abs/1512.03385,
    Section 4.2. Jordan et al, 2022, REPAIR, https://arxiv.org/abs/2211.08403.
  """
  if not 0 <= momentum < 1:
    raise ValueError(f'`momentum` must lie in [0, 1), got {momentum}.')
  return _resnet(classes, depth, width, momentum)


def resnet_layer_norm(
  *, classes: int, depth: int = 20, width: float = 1
) -> ResNet:
  """The same with layer norm over the channels, and no batch statistics.

  Args:
    classes: The number of logits.
    depth: As in `resnet`.
    width: As in `resnet`.

  Returns:
    The module.

  Raises:
    ValueError: If a number is out of range.

  References:
    Ainsworth et al, 2022, Git Re-Basin, https://arxiv.org/abs/2209.04836.
  """
  return _resnet(classes, depth, width, None)


def _resnet(
  classes: int, depth: int, width: float, momentum: float | None
) -> ResNet:
  if depth < 8 or depth % 6 != 2:
    raise ValueError(f'`depth` must be 8, 14, 20 or so on, got {depth}.')
  if width * 16 < 1 or width * 16 % 1:
    raise ValueError(f'`width` must be a multiple of 1/16, got {width}.')
  return ResNet(classes, round(16 * width), (depth - 2) // 6, momentum)
