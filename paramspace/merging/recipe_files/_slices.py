"""Models put together of the layers of others, in mergekit's pages."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.files import disk
from paramspace.merging.recipe_files import _layers
from paramspace.merging.recipe_files import _page
from paramspace.merging.recipe_files import _slots

_KEYS = ('sources', 'base_model', 'parameters')
_SOURCE_KEYS = ('model', 'layer_range', 'parameters')


class _Source(NamedTuple):
  """Some layers of a model: from `first`, and not `end` itself."""

  path: str
  tree: disk.Tree
  stack: _layers.Stack
  first: int
  end: int
  settings: _slots.Settings


class _Slice(NamedTuple):
  """Layers that lie above those of the slice before."""

  sources: list[_Source]
  base: int | None
  settings: _slots.Settings

  @property
  def number(self) -> int:
    return self.sources[0].end - self.sources[0].first


class _Place(NamedTuple):
  """One leaf of the result.

  Attributes:
    at: Its slice.
    names: What it is called in each source.
    depth: Where its layer lies in the slice.
  """

  at: _Slice
  names: list[str]
  depth: float


def of_slices(page: Mapping[str, Any], open: _slots.Open) -> _slots.Slots:
  """Returns the models of `slices`: the i-th takes the i-th source of each.

  Layers are numbered anew. What is in no layer is that of the first slice if it
  stands before the layers, and that of the last if after them.

  Raises:
    ValueError: If an entry is not as it should be, the slices do not fit each
      other, or a leaf is not there; names it.
  """
  if not isinstance(page['slices'], list) or not page['slices']:
    raise ValueError(f'`slices` is a list of slices, got {page["slices"]!r}.')
  base = page.get('base_model')
  slices = [
    _slice(f'slices[{i}]', entry, base, open)
    for i, entry in enumerate(page['slices'])
  ]
  if len({(len(cut.sources), cut.base) for cut in slices}) > 1:
    raise ValueError(
      '`slices` merge different numbers of models, or have the base in '
      'different places, which is not supported: write each merge in a page of '
      'its own, and pass their results through.'
    )
  places = dict(_places(slices))
  general = page.get('parameters') or {}
  slots = []
  for j, source in enumerate(slices[0].sources):

    def scopes(leaf: str, j: int = j) -> Sequence[_slots.Settings]:
      cut = places[leaf].at
      return cut.sources[j].settings, cut.settings, general

    def stored(leaf: str, j: int = j) -> str:
      at, names, _ = places[leaf]
      return at.sources[j].tree.stored(names[j])

    leaves = {
      out: place.at.sources[j].tree.leaves[place.names[j]]
      for out, place in places.items()
    }
    tree = source.tree._replace(leaves=leaves)
    slots.append(_slots.Slot(source.path, tree, stored, scopes))
  layers = sum(cut.number for cut in slices)
  depth = lambda leaf: places[leaf].depth
  return _slots.Slots(slots, slices[0].base, depth, layers)


def _slice(where: str, entry: Any, base: Any, open: _slots.Open) -> _Slice:
  if isinstance(entry, Mapping) and 'residual_weight' in entry:
    raise ValueError(f'{where}: residual_weight is not supported.')
  _page.check_keys(where, entry, _KEYS, ['sources'])
  if not isinstance(entry['sources'], list) or not entry['sources']:
    raise ValueError(f'{where}: sources is a list of models.')
  sources = [
    _source(f'{where}.sources[{j}]', source, open)
    for j, source in enumerate(entry['sources'])
  ]
  lengths = sorted({source.end - source.first for source in sources})
  if len(lengths) > 1:
    raise ValueError(
      f'{where}: its sources have {lengths} layers; all must have as many.'
    )
  paths = [source.path for source in sources]
  _slots.check_once(where, paths)
  base = entry.get('base_model', base)
  place = paths.index(base) if base in paths else None
  return _Slice(sources, place, entry.get('parameters') or {})


def _source(where: str, entry: Any, open: _slots.Open) -> _Source:
  _page.check_keys(where, entry, _SOURCE_KEYS, ['model', 'layer_range'])
  path = _slots.model_path(f'{where}: model', entry['model'])
  tree, given = _slots.opened(path, open), entry['layer_range']
  stack = _layers.stack(tree.leaves, path)
  pair = given if isinstance(given, list) and len(given) == 2 else (None, None)
  whole = all(type(i) is int for i in pair)
  if not whole or not 0 <= pair[0] < pair[1] <= stack.number:
    raise ValueError(
      f'{where}: layer_range is [first, end] in the {stack.number} layers of '
      f'{path}, such as [0, {stack.number}]; got {given!r}.'
    )
  return _Source(path, tree, stack, *pair, entry.get('parameters') or {})


def _places(slices: Sequence[_Slice]) -> Iterator[tuple[str, _Place]]:
  """Yields the leaves of the result, by their names there."""
  lead = slices[0].sources[0]
  for name in lead.tree.leaves:
    if lead.stack.index(name) is None:
      cut = slices[0 if _layers.comes_first(name) else -1]
      yield name, _place(cut, [name] * len(cut.sources), 0.0)
  above = 0
  for cut in slices:
    first = cut.sources[0]
    for name in first.tree.leaves:
      layer = first.stack.index(name)
      if layer is not None and first.first <= layer < first.end:
        step = layer - first.first
        names = [s.stack.moved(name, s.first + step) for s in cut.sources]
        depth = _slots.fraction(step, cut.number)
        yield lead.stack.moved(name, above + step), _place(cut, names, depth)
    above += cut.number


def _place(cut: _Slice, names: list[str], depth: float) -> _Place:
  """Returns the place of a leaf.

  Raises:
    ValueError: If a source of the slice has no such leaf.
  """
  for name, source in zip(names, cut.sources, strict=True):
    if name not in source.tree.leaves:
      raise ValueError(
        f'{source.path} has no leaf {source.tree.stored(name)!r}, which its '
        'slice needs.'
      )
  return _Place(cut, names, depth)
