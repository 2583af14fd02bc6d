"""The models that a page of mergekit's merges, whole or in slices."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.files import adapters
from paramspace.files import disk
from paramspace.merging.recipe_files import _layers
from paramspace.merging.recipe_files import _page

_KEYS = ('model', 'parameters')

Settings = Mapping[str, Any]
Open = Callable[[str], disk.Tree]


class Slot(NamedTuple):
  """One of the models that are merged.

  Attributes:
    path: What the page names; of the first slice, if there are slices.
    tree: Its leaves, by the names that they have in the result.
    stored: From the name of a leaf, what its own file calls it.
    scopes: From the name of a leaf, the settings that hold for it: those of
      this model alone, then others, those first that count first.
  """

  path: str
  tree: disk.Tree
  stored: Callable[[str], str]
  scopes: Callable[[str], Sequence[Settings]]


class Slots(NamedTuple):
  """All models of a page.

  Attributes:
    all: The models and the base, in the order of the page.
    base: The place of the base among them; None without.
    depth: From the name of a leaf, where its layer lies: from 0, the first, to
      1, the last; 0 for what is in no layer.
    layers: How many layers slices make; None without slices.
  """

  all: list[Slot]
  base: int | None
  depth: Callable[[str], float]
  layers: int | None = None


def of_models(page: Mapping[str, Any], open: Open) -> Slots:
  """Returns the models of `models`; a base that is not among them comes last.

  Raises:
    ValueError: If an entry is not as it should be; names it.
  """
  if not isinstance(page['models'], list) or not page['models']:
    raise ValueError(f'`models` is a list of models, got {page["models"]!r}.')
  general = page.get('parameters') or {}
  slots = []
  for i, entry in enumerate(page['models']):
    where = f'models[{i}]'
    _page.check_keys(where, entry, _KEYS, ['model'])
    path = model_path(f'{where}: model', entry['model'])
    own = entry.get('parameters') or {}
    slots.append(_whole(path, opened(path, open), (own, general)))
  paths = [slot.path for slot in slots]
  check_once('models', paths)
  base = page.get('base_model')
  if base is not None and model_path('base_model', base) not in paths:
    slots.append(_whole(base, opened(base, open), ({}, general)))
    paths.append(base)
  place = None if base is None else paths.index(base)
  return Slots(slots, place, _depth(slots[0]))


def model_path(where: str, model: Any) -> str:
  """Returns the path of a model, which may be one + that of its adapter.

  Raises:
    ValueError: If it is no text, or has a revision or two adapters.
  """
  path = _page.text(where, model)
  if path.count('+') > 1 or '' in path.split('+'):
    raise ValueError(
      f'{where}: {path!r} should be a model, or a model+adapter.'
    )
  if '@' in path:
    raise ValueError(
      f'{where}: {path!r} names a revision, which is not supported; download '
      'it and name the folder.'
    )
  return path


def opened(path: str, open: Open) -> disk.Tree:
  """Opens a model, and applies its adapter if there is one.

  Raises:
    ValueError: If there is an adapter where a model belongs, or the other way
      round.
  """
  model, _, adapter = path.partition('+')
  tree = open(model)
  if adapters.is_adapter(tree.path):
    raise ValueError(
      f'{model} is an adapter; write its model before it, M+{model}.'
    )
  return adapters.apply(tree, open(adapter).path) if adapter else tree


def check_once(where: str, paths: Sequence[str]) -> None:
  """Raises ValueError if a model is named twice."""
  twice = sorted({path for path in paths if paths.count(path) > 1})
  if twice:
    raise ValueError(f'{where} names {twice[0]!r} twice; name it once.')


def fraction(index: int, number: int) -> float:
  """Returns where the layer of this index lies among so many."""
  return index / (number - 1) if number > 1 else 1.0


def _whole(path: str, tree: disk.Tree, scopes: Sequence[Settings]) -> Slot:
  return Slot(path, tree, tree.stored, lambda leaf: scopes)


def _depth(slot: Slot) -> Callable[[str], float]:
  """Returns a function that counts the layers once one is asked for."""
  found = []

  def depth(leaf: str) -> float:
    if not found:
      found.append(_layers.stack(slot.tree.leaves, slot.path))
    index = found[0].index(leaf)
    return 0.0 if index is None else fraction(index, found[0].number)

  return depth
