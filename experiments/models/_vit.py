"""A small vision transformer, whose FFNs may be experts while it is trained."""

import jax
import jax.numpy as jnp
from flax import linen as nn

RNG = 'experts'  # The name of the key that deals tokens out to experts.


class FFN(nn.Module):
  """A feed-forward network of two layers, or several that share the tokens.

  With experts, the tokens of a batch are dealt out in equal parts at random:
  each goes through one expert, as in one network without experts. There is no
  router. Every leaf has the experts as its first axis, `[experts, *s]`.

  Attributes:
    hidden: The number of hidden units.
    experts: The number of experts, 0 for a plain network.
    equal: Whether the experts start as one, or are each drawn.
  """

  hidden: int
  experts: int = 0
  equal: bool = True

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps tokens `[n, t, width]` to tokens of that shape."""
    width, stack = x.shape[-1], (self.experts,) if self.experts else ()
    kernel = _stacked(nn.initializers.lecun_normal(), len(stack), self.equal)
    zeros = nn.initializers.zeros
    up = self.param('up_kernel', kernel, (*stack, width, self.hidden))
    up_bias = self.param('up_bias', zeros, (*stack, 1, self.hidden))
    down = self.param('down_kernel', kernel, (*stack, self.hidden, width))
    down_bias = self.param('down_bias', zeros, (*stack, 1, width))

    tokens = x.reshape(-1, width)
    if self.experts:
      _check_parts(len(tokens), self.experts)
      order = jax.random.permutation(self.make_rng(RNG), len(tokens))
      tokens = tokens[order].reshape(self.experts, -1, width)
    tokens = nn.gelu(tokens @ up + up_bias) @ down + down_bias
    if self.experts:
      tokens = tokens.reshape(-1, width)
      tokens = jnp.zeros_like(tokens).at[order].set(tokens)
    return tokens.reshape(x.shape)


class Block(nn.Module):
  """Attention and a feed-forward network, each normalised before.

  Attributes:
    heads: The number of attention heads.
    hidden: As in `FFN`.
    experts: As in `FFN`.
    equal: As in `FFN`.
  """

  heads: int
  hidden: int
  experts: int
  equal: bool

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps tokens `[n, t, width]` to tokens of that shape."""
    attention = nn.MultiHeadDotProductAttention(self.heads, name='attention')
    x = x + attention(nn.LayerNorm()(x))
    ffn = FFN(self.hidden, self.experts, self.equal, name='ffn')
    return x + ffn(nn.LayerNorm()(x))


class ViT(nn.Module):
  """A vision transformer that averages its tokens.

  Attributes:
    classes: The number of logits.
    patch: Height and width of a patch.
    width: The size of a token.
    depth: The number of blocks.
    heads: The number of attention heads.
    hidden: The hidden units of the feed-forward networks.
    experts: The experts in each of these, 0 for a plain network. With experts,
      `apply` takes `rngs={RNG: key}`.
    equal: Whether these start as one, or are each drawn.
  """

  classes: int
  patch: int
  width: int
  depth: int
  heads: int
  hidden: int
  experts: int = 0
  equal: bool = True

  @nn.compact
  def __call__(self, images: jax.Array) -> jax.Array:
    """Maps images `[n, H, W, C]` to logits `[n, classes]`."""
    x = nn.Dense(self.width, name='embed')(_patches(images, self.patch))
    shape = (1, *x.shape[1:])
    positions = self.param('positions', nn.initializers.normal(0.02), shape)
    x = x + positions
    ffn = self.hidden, self.experts, self.equal
    for i in range(self.depth):
      x = Block(self.heads, *ffn, name=f'block_{i}')(x)
    x = nn.LayerNorm(name='norm')(x).mean(axis=1)
    return nn.Dense(self.classes, name='head')(x)


def vit(
  *,
  classes: int,
  patch: int,
  width: int,
  depth: int,
  heads: int,
  hidden: int,
  experts: int = 0,
  equal: bool = True,
) -> ViT:
  """A small vision transformer, without a class token.

  The parameters without experts are those with experts, less the first axis of
  the leaves `params/block_*/ffn/*`.

  Args:
    classes: The number of logits.
    patch: Height and width of a patch, which divide those of the images.
    width: The size of a token.
    depth: The number of blocks.
    heads: The number of attention heads, which divides `width`.
    hidden: The hidden units of the feed-forward networks.
    experts: The experts in each of these while training, 0 for none.
    equal: Whether these start as one, or are each drawn.

  Returns:
    The module.

  Raises:
    ValueError: If a number is out of range.

  References:
    Dosovitskiy et al, 2020, https://arxiv.org/abs/2010.11929; Beyer et al,
    2022, https://arxiv.org/abs/2205.01580, for averaging the tokens. Huang et
    al, 2023, https://arxiv.org/abs/2308.06093, for experts that share tokens by
    random uniform partition.
  """
  sizes = dict(patch=patch, width=width, depth=depth, heads=heads)
  for name, size in {**sizes, 'hidden': hidden}.items():
    if size < 1:
      raise ValueError(f'`{name}` must be positive, got {size}.')
  if width % heads:
    raise ValueError(
      f'`width` must be a multiple of `heads` = {heads}, got {width}.'
    )
  if experts < 0:
    raise ValueError(f'`experts` must not be negative, got {experts}.')
  return ViT(
    classes=classes, hidden=hidden, experts=experts, equal=equal, **sizes
  )


def _patches(images: jax.Array, side: int) -> jax.Array:
  """Cuts images `[n, H, W, C]` into `[n, H W / side^2, side^2 C]`."""
  n, height, width, channels = images.shape
  if height % side or width % side:
    raise ValueError(
      f'Patches of {side}x{side} do not tile {height}x{width} pixels; use a '
      'divisor of both.'
    )
  rows, columns = height // side, width // side
  cut = images.reshape(n, rows, side, columns, side, channels)
  return cut.swapaxes(2, 3).reshape(n, rows * columns, -1)


def _check_parts(tokens: int, experts: int) -> None:
  if tokens % experts:
    raise ValueError(
      f'{tokens} tokens have no {experts} equal parts, one for each expert; '
      'change the number of experts or the size of the batch.'
    )


def _stacked(
  initializer: nn.initializers.Initializer, axes: int, equal: bool
) -> nn.initializers.Initializer:
  """Draws leaves `[*stack, *s]` as if they were `[*s]`, once or each."""

  def init(key, shape, *dtype):
    stack, shape = shape[:axes], shape[axes:]
    if equal or not stack:
      return jnp.broadcast_to(initializer(key, shape, *dtype), (*stack, *shape))
    keys = jax.random.split(key, stack)
    return jax.vmap(lambda key: initializer(key, shape, *dtype))(keys)

  return init
