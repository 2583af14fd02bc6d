"""Which leaves of a model go into an adapter of PEFT, and by what names."""

import re
from typing import Any
from typing import NamedTuple

import numpy as np

from paramspace.files import adapters
from paramspace.files import disk
from paramspace.files import output
from paramspace.merging import _models

_WEIGHT = '/weight'
_EMBEDDING = ('embed', 'wte', 'wpe')
_HEAD = 'embed_out'  # GPT-NeoX's, which is no embedding.


class Factor(NamedTuple):
  """The adapter of one matrix.

  Attributes:
    a: The name of A `[r, in]` in the file.
    b: That of B `[out, r]`.
    rank: r.
    turned: Whether the leaf is (B A)^T, as those of embeddings are.
  """

  a: str
  b: str
  rank: int
  turned: bool


class Layout(NamedTuple):
  """An adapter that is to be written.

  Attributes:
    factors: By leaf of the model.
    whole: The names in the file of leaves that are saved as they are.
    left: The floating-point leaves that are left out.
    file: What is to be written.
    config: What `adapter_config.json` says.
  """

  factors: dict[str, Factor]
  whole: dict[str, str]
  left: list[str]
  file: output.File
  config: dict[str, Any]


def layout(
  models: _models.Models, rank: int, dtype: np.dtype, save: bool
) -> Layout:
  """Returns where everything goes.

  Args:
    models: The base, and one model.
    rank: The rank of matrices whose sides are no shorter.
    dtype: That of the factors.
    save: Whether what is no matrix is saved whole.

  Raises:
    ValueError: If there is no matrix.
  """
  floating = models.floating
  factors = {
    name: _factor(name, leaf, rank)
    for name, leaf in floating.items()
    if _is_matrix(name, leaf)
  }
  if not factors:
    raise ValueError(
      f'{models.base.path} has no matrix of a module, named such as '
      f"'q.weight'; it has {list(floating)[:5]}."
    )
  others = [name for name in floating if name not in factors]
  modules = {name.removesuffix(_WEIGHT) for name in factors}
  whole = {n: _whole_name(n, modules) for n in others} if save else {}
  leaves: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
  for name, leaf in floating.items():
    if name in factors:
      factor = factors[name]
      out, columns = leaf.shape[::-1] if factor.turned else leaf.shape
      leaves[factor.a] = dtype, (factor.rank, columns)
      leaves[factor.b] = dtype, (out, factor.rank)
    elif name in whole:
      own = models.tuned[0].leaves[name].dtype.newbyteorder('<')
      leaves[whole[name]] = own, leaf.shape
  file = output.File(leaves, {'format': 'pt'})
  config = _config(models.base, rank, factors, whole)
  return Layout(factors, whole, [] if save else others, file, config)


def _is_matrix(name: str, leaf: disk.Leaf) -> bool:
  # A module's name with a dot in it could not be told from two modules.
  plain = name.endswith(_WEIGHT) and '.' not in name
  return plain and len(leaf.shape) == 2 and leaf.size > 0


def _factor(name: str, leaf: disk.Leaf, rank: int) -> Factor:
  module = name.removesuffix(_WEIGHT)
  parts = module.split('/')
  turned = _HEAD not in parts and any(
    part.startswith(_EMBEDDING) for part in parts
  )
  ends = adapters.EMBEDDING if turned else adapters.LINEAR
  a, b = (_stored(module + end) for end in ends)
  return Factor(a, b, min(rank, *leaf.shape), turned)


def _stored(name: str) -> str:
  return f'{adapters.PREFIX}{name}'.replace('/', '.')


def _whole_name(name: str, modules: set[str]) -> str:
  """Returns what PEFT calls a leaf, which may be of a module that it wraps."""
  module, _, last = name.rpartition('/')
  return _stored(f'{module}/base_layer/{last}' if module in modules else name)


def _config(
  base: disk.Tree,
  rank: int,
  factors: dict[str, Factor],
  whole: dict[str, str],
) -> dict[str, Any]:
  dotted = lambda name: name.rpartition('/')[0].replace('/', '.')
  ranks = {dotted(n): f.rank for n, f in factors.items() if f.rank < rank}
  exact = {f'^{re.escape(name)}': r for name, r in ranks.items()}
  targets = sorted(map(dotted, factors))
  saved = sorted({dotted(n) for n in whole} - set(targets))
  inside = any('.base_layer.' in stored for stored in whole.values())
  return {
    'peft_type': 'LORA',
    'base_model_name_or_path': str(base.path),
    'r': rank,
    'lora_alpha': rank,
    'rank_pattern': exact,
    'alpha_pattern': exact,
    'target_modules': targets,
    'modules_to_save': saved or None,
    'bias': 'all' if inside else 'none',
    'lora_dropout': 0.0,
    'fan_in_fan_out': False,
    'use_rslora': False,
    'use_dora': False,
    'inference_mode': True,
  }
