"""Synthetic checkpoints, of the shape and the names of Llama's.

What is merged are leaves of the sizes that models have; their values are drawn.
They are written leaf by leaf, all models at once, so that they may be larger
than memory.
"""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramspace.files import header

BASE = 'base'
SPREAD, MOVED = 0.02, 0.001  # Of the base's values, and of the deltas'.


class Shape(NamedTuple):
  """The sizes of a model.

  Attributes:
    hidden: The width of the residual stream.
    layers: How many.
    mlp: The width of the MLPs.
    vocabulary: The rows of the embedding and of the head.
    heads: Of the attention.
  """

  hidden: int = 1024
  layers: int = 12
  mlp: int = 2816
  vocabulary: int = 32000
  heads: int = 16


def leaves(shape: Shape) -> dict[str, tuple[int, ...]]:
  """Returns the shapes of the leaves, by their names, PyTorch's layout."""
  d, m = shape.hidden, shape.mlp
  found = {'model.embed_tokens.weight': (shape.vocabulary, d)}
  for i in range(shape.layers):
    layer = f'model.layers.{i}.'
    found[f'{layer}input_layernorm.weight'] = (d,)
    for part in 'qkvo':
      found[f'{layer}self_attn.{part}_proj.weight'] = (d, d)
    found[f'{layer}post_attention_layernorm.weight'] = (d,)
    found[f'{layer}mlp.gate_proj.weight'] = (m, d)
    found[f'{layer}mlp.up_proj.weight'] = (m, d)
    found[f'{layer}mlp.down_proj.weight'] = (d, m)
  found['model.norm.weight'] = (d,)
  found['lm_head.weight'] = (shape.vocabulary, d)
  return found


def size(shape: Shape) -> int:
  """Returns the number of parameters.

  >>> size(Shape())
  219702272
  """
  return sum(int(np.prod(s)) for s in leaves(shape).values())


def write(
  folder: pathlib.Path,
  shape: Shape,
  models: Sequence[str],
  dtype: str = 'bfloat16',
  shards: int = 2,
) -> dict[str, pathlib.Path]:
  """Writes a base and models tuned from it, unless they are there.

  Args:
    folder: Where their folders will be.
    shape: Of all of them.
    models: The names of the tuned ones; each has other deltas.
    dtype: Of all leaves.
    shards: How many files each has.

  Returns:
    The folders by name, `BASE` among them.
  """
  folders = {name: folder / name for name in (BASE, *models)}
  if all((path / 'config.json').exists() for path in folders.values()):
    return folders
  kind = jnp.dtype(dtype)
  parts = _split(leaves(shape), shards)
  for path in folders.values():
    path.mkdir(parents=True, exist_ok=True)
  for i, part in enumerate(parts):
    name = f'model-{i + 1:05d}-of-{len(parts):05d}.safetensors'
    _write_shard([path / name for path in folders.values()], part, kind)
  for path in folders.values():
    _write_beside(path, shape, parts, dtype)
  return folders


def _split(
  found: Mapping[str, tuple[int, ...]], shards: int
) -> list[dict[str, tuple[int, ...]]]:
  """Returns the leaves of each shard, of about as many bytes each."""
  parts = [{} for _ in range(shards)]
  total, done = sum(int(np.prod(s)) for s in found.values()), 0
  for name, shape in found.items():
    parts[min(done * shards // total, shards - 1)][name] = shape
    done += int(np.prod(shape))
  return parts


def _write_shard(
  paths: Sequence[pathlib.Path],
  part: Mapping[str, tuple[int, ...]],
  dtype: np.dtype,
) -> None:
  """Writes one shard of all models; the first is the base."""
  planned = {name: (dtype, shape) for name, shape in part.items()}
  first, _ = header.plan(planned, {'format': 'pt'})
  with contextlib.ExitStack() as stack:
    files = [stack.enter_context(open(path, 'wb')) for path in paths]
    for file in files:
      file.write(first)
    for name, shape in part.items():
      drawn = _draw(name, shape, len(files))
      for file, values in zip(files, drawn, strict=True):
        file.write(values.astype(dtype).tobytes())


def _draw(
  name: str, shape: tuple[int, ...], number: int
) -> Iterator[np.ndarray]:
  """Yields a leaf of the base, then those of the tuned models."""
  draw = np.random.default_rng(list(name.encode()))
  base = SPREAD * draw.standard_normal(shape, np.float32)
  base += 'norm' in name  # Norms multiply, and begin at one.
  yield base
  for _ in range(number - 1):
    yield base + MOVED * draw.standard_normal(shape, np.float32)


def _write_beside(
  path: pathlib.Path,
  shape: Shape,
  parts: Sequence[Mapping[str, tuple[int, ...]]],
  dtype: str,
) -> None:
  """Writes the index, then the config."""
  places = {
    name: f'model-{i + 1:05d}-of-{len(parts):05d}.safetensors'
    for i, part in enumerate(parts)
    for name in part
  }
  total = size(shape) * jnp.dtype(dtype).itemsize
  index = {'metadata': {'total_size': total}, 'weight_map': places}
  (path / 'model.safetensors.index.json').write_text(json.dumps(index))
  config = {
    'architectures': ['LlamaForCausalLM'],
    'model_type': 'llama',
    'hidden_size': shape.hidden,
    'intermediate_size': shape.mlp,
    'num_hidden_layers': shape.layers,
    'num_attention_heads': shape.heads,
    'vocab_size': shape.vocabulary,
    'tie_word_embeddings': False,
    'torch_dtype': dtype,
  }
  (path / 'config.json').write_text(json.dumps(config))
