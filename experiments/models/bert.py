"""BERT, and how it is read from a Hugging Face directory."""

import json
import math
import os
import pathlib
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from paramspace import base
from paramspace import trees
from paramspace.files import safetensors

NEVER = -1e30  # A score that leaves no weight, and a softmax of them no NaN.


class Tokens(NamedTuple):
  """Texts as a model reads them, each padded to one length.

  Attributes:
    ids: int32 `[n, t]`.
    types: int32 `[n, t]`: 1 in the second text of a pair, else 0.
    mask: bool `[n, t]`: False where it is padding.
  """

  ids: jax.Array
  types: jax.Array
  mask: jax.Array


class Bert(nn.Module):
  """A transformer encoder with the normalisation after each part.

  All kernels are matrices, `[in, out]`. There is no dropout.

  Attributes:
    vocabulary: The number of tokens there are.
    depth: The number of blocks.
    width: The size of what flows from block to block.
    heads: The number of attention heads in a block.
    hidden: The hidden units of a block's feed-forward network.
    positions: The number of tokens that a text may have.
    types: The number of texts that may follow each other.
    epsilon: What is added to variances in normalisations.
  """

  vocabulary: int
  depth: int
  width: int
  heads: int
  hidden: int
  positions: int
  types: int
  epsilon: float

  @nn.compact
  def __call__(self, tokens: Tokens) -> jax.Array:
    """Maps texts to the states of their tokens, `[n, t, width]`."""
    length = tokens.ids.shape[1]
    if length > self.positions:
      raise ValueError(
        f'The model takes {self.positions} tokens, got {length}; cut the texts.'
      )
    embed = lambda rows, name: nn.Embed(rows, self.width, name=name)
    x = (
      embed(self.vocabulary, 'words')(tokens.ids)
      + embed(self.types, 'types')(tokens.types)
      + embed(self.positions, 'positions')(jnp.arange(length))[None]
    )
    x = nn.LayerNorm(self.epsilon, name='norm')(x)
    for i in range(self.depth):
      block = Block(self.heads, self.hidden, self.epsilon, name=f'block_{i}')
      x = block(x, tokens.mask)
    return x


class Block(nn.Module):
  """Attention, then a feed-forward network, each normalised after.

  Attributes:
    heads: As in `Bert`.
    hidden: As there.
    epsilon: As there.
  """

  heads: int
  hidden: int
  epsilon: float

  @nn.compact
  def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
    """Maps `[n, t, width]` to the same shape."""
    n, t, width = x.shape
    norm = lambda name: nn.LayerNorm(self.epsilon, name=name)
    split = lambda y: y.reshape(n, t, self.heads, width // self.heads)
    query, key, value = (
      split(nn.Dense(width, name=name)(x)) for name in ('query', 'key', 'value')
    )
    scores = jnp.einsum('nqhc,nkhc->nhqk', query, key)
    scores = scores / math.sqrt(width // self.heads)
    weights = jax.nn.softmax(jnp.where(mask[:, None, None], scores, NEVER))
    seen = jnp.einsum('nhqk,nkhc->nqhc', weights, value).reshape(n, t, width)
    x = norm('attention_norm')(x + nn.Dense(width, name='attention')(seen))
    up = nn.gelu(nn.Dense(self.hidden, name='up')(x), approximate=False)
    return norm('norm')(x + nn.Dense(width, name='down')(up))


def pool(states: jax.Array, mask: jax.Array) -> jax.Array:
  """Returns the mean state of each text's tokens, `[n, width]`.

  Args:
    states: `[n, t, width]`.
    mask: Which are no padding, `[n, t]`; at least one of each text.
  """
  kept = mask[..., None].astype(states.dtype)
  return (states * kept).sum(1) / kept.sum(1)


def bert(folder: str | os.PathLike[str]) -> tuple[Bert, base.Params]:
  """Reads a model from a directory as `transformers` writes it.

  Args:
    folder: It holds `config.json` and `model.safetensors`.

  Returns:
    The module and its variables, `{'params': ...}`, float32. What a `BertModel`
    puts on top of the states of tokens, its pooler, is left out.

  Raises:
    FileNotFoundError: If a file is missing.
    ValueError: If it is another kind of model, or a leaf is missing, left over
      or has another shape; names it.

  References:
    Devlin et al, 2018, https://arxiv.org/abs/1810.04805. Wang et al, 2020,
    MiniLM, https://arxiv.org/abs/2002.10957.
  """
  folder = pathlib.Path(folder)
  module = _module(folder / 'config.json')
  path = folder / 'model.safetensors'
  found = trees.named(safetensors.load(path))
  leaves = dict(_renamed(n, x) for n, x in found.items() if not _SKIP.match(n))
  tokens = Tokens(*(jax.ShapeDtypeStruct((1, 1), t) for t in _DTYPES))
  outline = jax.eval_shape(module.init, jax.random.key(0), tokens)
  _check(path, {n: x.shape for n, x in leaves.items()}, outline)
  return module, trees.replace(outline, leaves)


_DTYPES = (jnp.int32, jnp.int32, jnp.bool_)

# The pooler is not used, and positions are counted.
_SKIP = re.compile(r'pooler\..*|embeddings\.position_ids')

# Names as `transformers` gives them, and ours, in the order of replacing.
_NAMES = (
  (r'embeddings\.word_embeddings\.weight', 'words.embedding'),
  (r'embeddings\.position_embeddings\.weight', 'positions.embedding'),
  (r'embeddings\.token_type_embeddings\.weight', 'types.embedding'),
  (r'embeddings\.LayerNorm', 'norm'),
  (r'encoder\.layer\.(\d+)\.', r'block_\1.'),
  (r'attention\.self\.', ''),
  (r'attention\.output\.dense', 'attention'),
  (r'attention\.output\.LayerNorm', 'attention_norm'),
  (r'intermediate\.dense', 'up'),
  (r'output\.dense', 'down'),
  (r'output\.LayerNorm', 'norm'),
  (r'norm\.weight', 'norm.scale'),
  (r'\.weight', '.kernel'),
)


def _renamed(name: str, x: np.ndarray) -> tuple[str, jax.Array]:
  """Returns our name of a leaf, and the leaf with our order of axes."""
  for pattern, new in _NAMES:
    name = re.sub(pattern, new, name)
  x = x.T if name.endswith('.kernel') else x  # PyTorch has [out, in].
  return f'params/{name.replace(".", "/")}', jnp.asarray(x, jnp.float32)


def _module(path: pathlib.Path) -> Bert:
  config = json.loads(path.read_text(encoding='utf-8'))
  expected = {
    'model_type': 'bert',
    'hidden_act': 'gelu',
    'position_embedding_type': 'absolute',
  }
  for key, value in expected.items():
    if config.get(key, value) != value:
      raise ValueError(
        f'{path} describes a model with {key} {config[key]!r}; only {value!r} '
        'can be read.'
      )
  return Bert(
    vocabulary=config['vocab_size'],
    depth=config['num_hidden_layers'],
    width=config['hidden_size'],
    heads=config['num_attention_heads'],
    hidden=config['intermediate_size'],
    positions=config['max_position_embeddings'],
    types=config['type_vocab_size'],
    epsilon=config['layer_norm_eps'],
  )


def _check(path: pathlib.Path, found: dict, outline: base.Params) -> None:
  expected = {n: x.shape for n, x in trees.named(outline).items()}
  for name in sorted({*expected, *found}):
    if expected.get(name) != found.get(name):
      raise ValueError(
        f'{path} has {found.get(name, "nothing")} for the leaf {name!r} of '
        f'{expected.get(name, "nothing")}; is config.json that of another '
        'model?'
      )
