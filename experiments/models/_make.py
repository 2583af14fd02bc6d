"""Choosing a model by name."""

from typing import Any

from flax import linen as nn

from experiments.models import _fc
from experiments.models import _lenet
from paramspace import resolve

_FACTORIES = {'fc': _fc.fc, 'lenet': _lenet.lenet}


def make(name: str, classes: int, **options: Any) -> nn.Module:
  """Makes a model by name.

  Args:
    name: `'fc'` or `'lenet'`.
    classes: The number of logits.
    **options: The other arguments of that factory, e.g. `depth=2, width=200`.

  Returns:
    A module from images, float32 `[n, H, W, C]`, to logits `[n, classes]`.

  Raises:
    ValueError: If there is no such model or option, or an option is missing.

  Examples:
    >>> make('fc', classes=10, depth=2, width=200).width
    200
  """
  if name not in _FACTORIES:
    raise ValueError(resolve.unknown('model', name, _FACTORIES))
  factory = _FACTORIES[name]
  resolve.check_arguments(factory, {'classes': classes, **options})
  return factory(classes=classes, **options)
