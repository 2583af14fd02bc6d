"""Which leaves belong to which layer, by their names."""

import re
from collections.abc import Iterable
from typing import NamedTuple

# The first number is that of the layer; one after it, as of an expert, belongs
# to the rest.
_NUMBERED = re.compile(r'(?P<stack>.*?/)(?P<index>\d+)(?P<rest>/.*)')


class Stack(NamedTuple):
  """The layers of a model.

  Attributes:
    prefix: What their names begin with, such as 'model/layers/'.
    number: How many there are.
  """

  prefix: str
  number: int

  def index(self, name: str) -> int | None:
    """Returns the layer that a leaf belongs to; None if to none."""
    found = _NUMBERED.fullmatch(name)
    if found is None or found['stack'] != self.prefix:
      return None
    return int(found['index'])

  def moved(self, name: str, index: int) -> str:
    """Returns the name that a leaf of any layer has in this one."""
    return f'{self.prefix}{index}{_NUMBERED.fullmatch(name)["rest"]}'


def stack(names: Iterable[str], model: str) -> Stack:
  """Returns the one stack of layers that a model has.

  Args:
    names: Of its leaves.
    model: What it is, for the message.

  Raises:
    ValueError: If there is none, or more than one, or a layer is missing.

  Example:
    >>> names = [f'model/layers/{i}/mlp/up_proj/weight' for i in range(3)]
    >>> stack(['model/norm/weight', *names], 'the base')
    Stack(prefix='model/layers/', number=3)
  """
  found: dict[str, set[int]] = {}
  for numbered in filter(None, map(_NUMBERED.fullmatch, names)):
    found.setdefault(numbered['stack'], set()).add(int(numbered['index']))
  if len(found) != 1:
    raise ValueError(
      f'{model}: slices and gradients go by layers, of which there must be one '
      f'stack, named such as model.layers.0; found {sorted(found)}.'
    )
  ((prefix, indices),) = found.items()
  missing = set(range(len(indices))) - indices
  if missing:
    raise ValueError(
      f'{model} has {len(indices)} layers {prefix}*, but no {prefix}'
      f'{min(missing)}.'
    )
  return Stack(prefix, len(indices))


def comes_first(name: str) -> bool:
  """Whether a leaf of no layer stands before the layers: embeddings do.

  >>> [comes_first(f'{n}/weight') for n in ('embed_tokens', 'wte', 'lm_head')]
  [True, True, False]
  """
  parts = name.split('/')
  if 'embed_out' in parts:  # GPT-NeoX's head.
    return False
  return any('embed' in part or part in ('wte', 'wpe') for part in parts)
