"""Choosing a model by name."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from experiments.models import _cnn
from experiments.models import _fc
from experiments.models import _gpt
from experiments.models import _lenet
from experiments.models import _resnet
from experiments.models import _vit
from paramspace import resolve

_FACTORIES = {
  'fc': _fc.fc,
  'lenet': _lenet.lenet,
  'resnet': _resnet.resnet_layer_norm,
  'vit': _vit.vit,
}
_NORMALIZED = {'cnn': _cnn.cnn, 'resnet': _resnet.resnet}
_LANGUAGE = {'gpt': _gpt.gpt}


def make(name: str, classes: int, **options: Any) -> nn.Module:
  """Makes a model by name.

  Args:
    name: `'fc'`, `'lenet'`, `'resnet'`, with layer norm, or `'vit'`.
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
  return _make('model', _FACTORIES, name, {'classes': classes, **options})


def make_normalized(name: str, classes: int, **options: Any) -> nn.Module:
  """Makes a model with batch norm by name.

  Args:
    name: `'cnn'` or `'resnet'`.
    classes: The number of logits.
    **options: The other arguments of that factory, e.g. `widths=(32, 64)`.

  Returns:
    A module as that of `make`, which takes `train` too: whether to normalize by
    the batch, and to update the collection `'batch_stats'`.

  Raises:
    ValueError: If there is no such model or option, or an option is missing.
  """
  options = {'classes': classes, **options}
  return _make('model with batch norm', _NORMALIZED, name, options)


def make_language(name: str, vocabulary: int, **options: Any) -> nn.Module:
  """Makes a language model by name.

  Args:
    name: `'gpt'`.
    vocabulary: The number of tokens there are.
    **options: The other arguments of that factory, e.g. `depth=2, width=96`.

  Returns:
    A module from tokens `[n, t]` to logits `[n, t, vocabulary]`.

  Raises:
    ValueError: If there is no such model or option, or an option is missing.
  """
  options = {'vocabulary': vocabulary, **options}
  return _make('language model', _LANGUAGE, name, options)


def _make(
  what: str,
  factories: Mapping[str, Callable[..., nn.Module]],
  name: str,
  options: Mapping[str, Any],
) -> nn.Module:
  if name not in factories:
    raise ValueError(resolve.unknown(what, name, factories))
  factory = factories[name]
  resolve.check_arguments(factory, options)
  return factory(**options)
