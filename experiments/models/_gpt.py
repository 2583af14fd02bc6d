"""A small language model."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

NORMS = {'layer': nn.LayerNorm, 'rms': nn.RMSNorm}


class GPT(nn.Module):
  """A transformer decoder with the normalisation before each part.

  Attributes:
    vocabulary: The number of tokens there are.
    depth: The number of blocks.
    width: The size of what flows from block to block.
    heads: The number of attention heads in a block.
    context: The number of tokens it can look back on, with the present one.
    tied: Whether the logits come from the matrix of the token embedding.
    norm: Which normalisation, of `NORMS`.
  """

  vocabulary: int
  depth: int
  width: int
  heads: int
  context: int
  tied: bool
  norm: str = 'layer'

  @nn.compact
  def __call__(self, tokens: jax.Array) -> jax.Array:
    """Maps tokens `[n, t]`, t <= context, to logits `[n, t, vocabulary]`."""
    small = nn.initializers.normal(0.02)
    embed = nn.Embed(self.vocabulary, self.width, embedding_init=small)
    shape = (self.context, self.width)
    position = self.param('position', small, shape)[: tokens.shape[1]]
    x = embed(tokens) + position[None]  # [n, t, width]
    for _ in range(self.depth):
      x = Block(self.heads, 1 / math.sqrt(2 * self.depth), self.norm)(x)
    x = NORMS[self.norm]()(x)
    return embed.attend(x) if self.tied else nn.Dense(self.vocabulary)(x)


class Block(nn.Module):
  """Attention, then a network of four times the width; both are added.

  Attributes:
    heads: The number of attention heads.
    scale: Of the initial kernels of the two layers whose outputs are added.
    norm: As in `GPT`.
  """

  heads: int
  scale: float
  norm: str

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[n, t, width]` to the same shape."""
    width = x.shape[-1]
    # `lecun_normal` is of scale 1; the square, as it is that of the variance.
    last = nn.initializers.variance_scaling(
      self.scale**2, 'fan_in', 'truncated_normal'
    )
    norm = NORMS[self.norm]
    qkv = nn.Dense(3 * width)(norm()(x))
    x = x + nn.Dense(width, kernel_init=last)(_attend(qkv, self.heads))
    hidden = nn.gelu(nn.Dense(4 * width)(norm()(x)))
    return x + nn.Dense(width, kernel_init=last)(hidden)


def _attend(qkv: jax.Array, heads: int) -> jax.Array:
  """Causal attention, from `[n, t, 3 * width]` to `[n, t, width]`."""
  n, t, width = *qkv.shape[:2], qkv.shape[2] // 3
  q, k, v = jnp.moveaxis(qkv.reshape(n, t, 3, heads, width // heads), 2, 0)
  scores = jnp.einsum('nqhc,nkhc->nhqk', q, k) / math.sqrt(width // heads)
  past = jnp.tril(jnp.ones((t, t), bool))[None, None]
  weights = jax.nn.softmax(jnp.where(past, scores, -jnp.inf))
  return jnp.einsum('nhqk,nkhc->nqhc', weights, v).reshape(n, t, width)


def gpt(
  *,
  vocabulary: int,
  depth: int,
  width: int,
  heads: int,
  context: int,
  tied: bool,
  norm: str = 'layer',
) -> GPT:
  """A small GPT: causal attention, GELU, learned positions, no dropout.

  With 256 tokens, `depth=2, width=96, heads=4, context=64, tied=True`, it has
  D = 254,592 parameters.

  Note: kernels are LeCun-normal; the paper draws all from N(0, 0.02), which at
  these widths is small. The last layers of a block start smaller by the root of
  the number of them, as in the paper.

  Args:
    vocabulary: The number of tokens there are.
    depth: The number of blocks.
    width: The size of what flows from block to block, a multiple of `heads`.
    heads: The number of attention heads in a block.
    context: The number of tokens it can look back on, with the present one.
    tied: Whether the logits come from the matrix of the token embedding.
    norm: `'layer'`, or `'rms'`, which does not centre and has no bias.

  Returns:
    The module.

  Raises:
    ValueError: If a number is out of range, or there is no such normalisation.

  References:
    Radford et al, 2019, Language Models are Unsupervised Multitask Learners,
    Section 2.3.
  """
  numbers = {
    'vocabulary': vocabulary,
    'depth': depth,
    'width': width,
    'heads': heads,
    'context': context,
  }
  for name, number in numbers.items():
    if number < 1:
      raise ValueError(f'`{name}` must be positive, got {number}.')
  if width % heads:
    raise ValueError(
      f'`width` must be a multiple of `heads`, got {width} and {heads}.'
    )
  if norm not in NORMS:
    raise ValueError(f'`norm` must be one of {sorted(NORMS)}, got {norm!r}.')
  return GPT(**numbers, tied=tied, norm=norm)
