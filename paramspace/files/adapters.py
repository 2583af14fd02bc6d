"""LoRA adapters of PEFT as trees on disk: the leaves of a base, some moved.

`adapters.apply(base, path)` takes a directory with `adapter_config.json` and
`adapter_model.safetensors`. A leaf with factors is computed when it is read,

  base + scale B A,        scale = alpha / r, or alpha / sqrt(r) for rsLoRA,

in float32, or float64 if the base is, and it stays so: what comes of it is cast
once, by whoever writes it. PEFT casts the product and then the sum to the
dtype of the base, which in bfloat16 costs most of a small delta.
"""

import functools
import math
import pathlib
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np

from paramspace import trees
from paramspace.files import adapter_config
from paramspace.files import disk
from paramspace.files import lazy
from paramspace.files import manifest

PREFIX = 'base_model/model/'
LINEAR = ('/lora_A/weight', '/lora_B/weight')  # What A and B are called,
EMBEDDING = ('/lora_embedding_A', '/lora_embedding_B')  # after their module.
_OTHERS = ('/lora_', '/token_adapter')
_WRAPPERS = ('/base_layer/', '/modules_to_save/')  # PEFT's, around a module.
_UNUSED = '/original_module/'  # What was there before a module was trained.


class _Factors(NamedTuple):
  """What moves a leaf.

  Attributes:
    a: `[r, in]`, of convolutions `[r, in, ...]`.
    b: `[out, r]`, of convolutions `[out, r, 1, ...]`.
    turned: Whether the leaf is (B A)^T.
    scale: What B A is multiplied by.
  """

  a: disk.Leaf
  b: disk.Leaf
  turned: bool
  scale: float


def is_adapter(path: Any) -> bool:
  """Whether this is a directory with an adapter of PEFT."""
  if not isinstance(path, str | pathlib.Path):
    return False
  return pathlib.Path(path, adapter_config.NAME).is_file()


def apply(base: disk.Tree, path: str | pathlib.Path) -> disk.Tree:
  """Returns the model that an adapter makes of a base.

  Args:
    base: The model that the adapter was trained on.
    path: The directory of the adapter.

  Returns:
    A tree of the base's leaves, in their order. Leaves that the adapter has
    whole, such as those of `modules_to_save`, are the adapter's.

  Raises:
    ValueError: If a file is damaged, a setting is not supported, or a tensor
      belongs to no leaf of the base; names it.

  Example:
    >>> import json, pathlib, tempfile
    >>> import numpy as np
    >>> from paramspace.files import adapters, disk, safetensors
    >>> base = disk.held({'q': {'weight': np.zeros((1, 2), np.float32)}})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   path = pathlib.Path(folder)
    ...   about = {'peft_type': 'LORA', 'r': 1, 'lora_alpha': 2}
    ...   _ = (path / 'adapter_config.json').write_text(json.dumps(about))
    ...   at = 'base_model.model.q.lora_'
    ...   a, b = np.float32([[1, 2]]), np.float32([[3]])
    ...   safetensors.save(
    ...     path / 'adapter_model.safetensors',
    ...     {f'{at}A.weight': a, f'{at}B.weight': b},
    ...   )
    ...   adapters.apply(base, path).read('q/weight')
    array([[ 6., 12.]], dtype=float32)

  References:
    Hu et al, 2021, LoRA, https://arxiv.org/abs/2106.09685.
    Kalajdzievski, 2023, rsLoRA, https://arxiv.org/abs/2312.03732.
  """
  root = pathlib.Path(path)
  config = adapter_config.read(lazy.inside(root, adapter_config.NAME))
  stored = lazy.open(lazy.inside(root, lazy.ADAPTER))
  leaves = dict(base.leaves)
  factors, whole = _sorted(root, stored)
  for name, leaf in whole.items():
    _check_there(root, base, name)
    narrow = _narrow(leaf.dtype, base.leaves[name])
    leaves[name] = leaf._replace(narrow=narrow)
  for module, found in factors.items():
    name = f'{module}/weight'
    _check_there(root, base, name)
    leaves[name] = _moved(root, config, module, base.leaves[name], found)
  others = (*base.files, *stored.files, root / adapter_config.NAME)
  return base._replace(path=root, leaves=leaves, others=others, model=base.home)


def _sorted(
  root: pathlib.Path, stored: disk.Tree
) -> tuple[dict[str, dict[str, disk.Leaf]], dict[str, disk.Leaf]]:
  """Returns the factors by module and name, and the leaves that are whole."""
  factors, whole = {}, {}
  for name, leaf in stored.leaves.items():
    own = name.removeprefix(PREFIX)
    end = next((e for e in (*LINEAR, *EMBEDDING) if own.endswith(e)), None)
    if end is not None:
      factors.setdefault(own.removesuffix(end), {})[end] = leaf
    elif any(part in own for part in _OTHERS):
      raise ValueError(
        f'{root}: {stored.stored(name)!r} is no factor of LoRA, but of DoRA or '
        'another kind, which is not supported; merge it by PEFT first.'
      )
    elif _UNUSED not in own:
      for part in _WRAPPERS:
        own = own.replace(part, '/')
      whole[own] = leaf
  for module, found in factors.items():
    if set(found) not in (set(LINEAR), set(EMBEDDING)):
      raise manifest.Damaged(
        f'{root}: {module!r} should have an A and a B, and has {list(found)}.'
      )
  return factors, whole


def _check_there(root: pathlib.Path, base: disk.Tree, name: str) -> None:
  if name not in base.leaves:
    raise ValueError(
      f'{root} adapts {name!r}, which {base.path} does not have; near misses: '
      f'{trees.nearest(name, list(base.leaves))}. Name the model that it was '
      'trained on.'
    )


def _moved(
  root: pathlib.Path,
  config: adapter_config.Config,
  module: str,
  leaf: disk.Leaf,
  found: Mapping[str, disk.Leaf],
) -> disk.Leaf:
  """Returns base + scale B A, of which nothing is read yet."""
  embedding = set(found) == set(EMBEDDING)
  a, b = (found[end] for end in (EMBEDDING if embedding else LINEAR))
  rank, scale = config.of(module)
  if a.shape[:1] != (rank,) or b.size != math.prod(b.shape[:1]) * rank:
    raise manifest.Damaged(
      f'{root}: the factors of {module!r} are {list(b.shape)} and '
      f'{list(a.shape)}, and {adapter_config.NAME} says rank {rank}.'
    )
  turned = embedding or config.fan_in_fan_out
  outputs, inputs = b.shape[:1], a.shape[1:]
  shape = (*inputs, *outputs) if turned else (*outputs, *inputs)
  if shape != leaf.shape:
    raise ValueError(
      f'{root}: B A of {module!r} is {list(shape)}, and the leaf of the base '
      f'{list(leaf.shape)}; fan_in_fan_out is {config.fan_in_fan_out}.'
    )
  double = leaf.dtype == np.float64
  wide = np.dtype(np.float64 if double else np.float32)
  view = functools.partial(_computed, leaf, _Factors(a, b, turned, scale), wide)
  return disk.Leaf(leaf.shape, wide, a.file, view, _narrow(wide, leaf))


def _narrow(dtype: np.dtype, leaf: disk.Leaf) -> np.dtype | None:
  """Returns what a leaf of this dtype stands for in the place of another."""
  return None if dtype == leaf.stands_for else leaf.stands_for


def _computed(leaf: disk.Leaf, by: _Factors, wide: np.dtype) -> np.ndarray:
  """Computes the leaf, in one array of its own."""
  out = disk.room(leaf.shape, wide)
  rank = by.a.shape[0]
  b = by.b.view().reshape(-1, rank).astype(wide)
  a = by.a.view().reshape(rank, -1).astype(wide)
  if by.turned:
    np.matmul(a.T, b.T, out=out)
  else:
    np.matmul(b, a, out=out.reshape(len(b), -1))
  out *= wide.type(by.scale)
  out += leaf.view()
  return out
