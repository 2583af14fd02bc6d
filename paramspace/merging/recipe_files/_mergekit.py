"""mergekit's recipe files."""

import os
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from paramspace.files import disk
from paramspace.merging.recipe_files import _assemble
from paramspace.merging.recipe_files import _beside
from paramspace.merging.recipe_files import _methods
from paramspace.merging.recipe_files import _page
from paramspace.merging.recipe_files import _plan
from paramspace.merging.recipe_files import _resolve
from paramspace.merging.recipe_files import _settings
from paramspace.merging.recipe_files import _slices
from paramspace.merging.recipe_files import _slots
from paramspace.merging.recipe_files import _tokenizers

MARK = 'merge_method'  # The key that only its pages have.
KEYS = (
  MARK,
  'base_model',
  'models',
  'slices',
  'parameters',
  'dtype',
  'out_dtype',
  'tokenizer',
  'tokenizer_source',
)

# What mergekit has besides, and what to do without it.
UNSUPPORTED = {
  'modules': 'write `models` or `slices`, of models of one module',
  'chat_template': "the base's is copied; leave it out",
}


def plan(page: Mapping[str, Any], open: _slots.Open, seed: int) -> _plan.Plan:
  """Returns the merge that a page of mergekit's describes.

  Args:
    page: See `KEYS`.
    open: Opens the model of a path.
    seed: Of what is drawn, of which the page says nothing.

  Raises:
    ValueError: If something is wrong, or not supported; names it.
  """
  name, method = _method(page)
  _check_page(page, method)
  read = _slots.of_models if 'models' in page else _slices.of_slices
  slots = read(page, open)
  slots, rows = _resized(page, slots)
  merged = _merged(name, method, slots)
  values = _resolve.values(name, method, merged, slots)
  recipe = _assemble.assemble(method.make, _resolve.of_recipe(values))
  draws = recipe.prune is not None and recipe.draws
  lead = slots.all[slots.base or 0].tree
  config = recipe.config
  if not config or slots.layers:  # It says less than the page.
    config = {'name': f'mergekit.{name}', 'page': page}
  dtype = _dtype(page)
  beside, notes = _beside.config(lead, slots.layers, dtype, rows)
  return _plan.Plan(
    page,
    lead,
    {label: slot.tree for label, slot in merged.items()},
    recipe._replace(config=config),
    _resolve.weights(method, values),
    seed=seed if draws else None,
    out_dtype=dtype,
    beside=beside,
    notes=(*_notes(page, method, lead, draws), *notes),
  )


def _resized(
  page: Mapping[str, Any], slots: _slots.Slots
) -> tuple[_slots.Slots, int | None]:
  """Returns the models with the rows that their tokenizer needs."""
  wanted = _tokenizers.asked(page)
  if wanted is None:
    return slots, None
  every = [slot.tree for slot in slots.all]
  found, rows = _tokenizers.resized(wanted, every)
  pairs = zip(slots.all, found, strict=True)
  return slots._replace(all=[s._replace(tree=t) for s, t in pairs]), rows


def _method(page: Mapping[str, Any]) -> tuple[str, _methods.Method]:
  name = _page.text(MARK, page[MARK])
  if name in _methods.OTHERS:
    raise ValueError(f'{MARK} {name!r} is not supported.')
  _page.check_name(MARK, name, _methods.METHODS)
  return name, _methods.METHODS[name]


def _check_page(page: Mapping[str, Any], method: _methods.Method) -> None:
  """Raises unless all keys are known, and all settings what they should be."""
  for key, way_out in UNSUPPORTED.items():
    if page.get(key) is not None:
      raise ValueError(f'{key!r} is not supported: {way_out}.')
  _page.check_keys('the page', page, [*KEYS, *UNSUPPORTED])
  if ('models' in page) == ('slices' in page):
    raise ValueError('A page has either `models` or `slices`.')
  for where, settings, own in _all_settings(page):
    _settings.check(where, settings, _methods.ALL_KINDS)
    for name in settings:
      if own and name in method.shared:
        raise ValueError(
          f'{where}: {name} is one for all models; write it in the '
          '`parameters` of the page.'
        )


def _all_settings(
  page: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
  """Yields where settings are, what they are, and whether of one model."""

  def of(where: str, entry: Any, own: bool):
    settings = entry.get('parameters') if isinstance(entry, Mapping) else None
    if settings is not None:
      yield f'{where}parameters', settings, own

  def listed(entry: Any, key: str) -> list[Any]:
    found = entry.get(key) if isinstance(entry, Mapping) else None
    return found if isinstance(found, list) else []

  yield from of('', page, False)
  for i, model in enumerate(listed(page, 'models')):
    yield from of(f'models[{i}].', model, True)
  for i, cut in enumerate(listed(page, 'slices')):
    yield from of(f'slices[{i}].', cut, False)
    for j, source in enumerate(listed(cut, 'sources')):
      yield from of(f'slices[{i}].sources[{j}].', source, True)


def _merged(
  name: str, method: _methods.Method, slots: _slots.Slots
) -> dict[str, _slots.Slot]:
  """Returns the models that are merged, by their names.

  Raises:
    ValueError: If there are too few or too many, or there is no base.
  """
  if method.base == 'needed' and slots.base is None:
    raise ValueError(
      f'{name} needs a `base_model`, which is a source of every slice.'
    )
  merged = [
    slot
    for i, slot in enumerate(slots.all)
    if i != slots.base or method.base == 'merged'
  ]
  most = method.most or len(merged)
  if not method.least <= len(merged) <= most:
    wanted = f'{method.least} or more' if method.most is None else f'{most}'
    raise ValueError(
      f'{name} merges {wanted} models, a base not counted; got {len(merged)}.'
    )
  ends = [os.path.basename(os.path.normpath(slot.path)) for slot in merged]
  labels = [
    slot.path if ends.count(end) > 1 else end
    for slot, end in zip(merged, ends, strict=True)
  ]
  return dict(zip(labels, merged, strict=True))


def _dtype(page: Mapping[str, Any]) -> str | None:
  """Returns the dtype that is written."""
  names = {key: page.get(key) for key in ('dtype', 'out_dtype')}
  for key, name in names.items():
    if name is not None:
      plain = _page.text(key, name).removeprefix('torch.')
      _page.check_name(key, plain, _plan.DTYPES)
      names[key] = plain
  return names['out_dtype'] or names['dtype']


def _notes(
  page: Mapping[str, Any],
  method: _methods.Method,
  lead: disk.Tree,
  draws: bool,
) -> Iterator[str]:
  if page.get('dtype') != 'float32':
    yield (
      'All is computed in float32 and cast once; mergekit computes in the '
      "page's `dtype`, or that of the models."
    )
  if draws:
    yield 'What is drawn is not what mergekit draws: its seed has no meaning.'
  if method.note:
    yield method.note
  names = [lead.stored(name) for name in lead.leaves]
  for where, settings, _ in _all_settings(page):
    for parameter in settings:
      if parameter not in method.kinds:
        yield f'{where}: {parameter} has no effect on {page[MARK]}.'
    for text in _settings.filters(settings):
      if not any(text in name for name in names):
        yield f'{where}: no leaf has {text!r} in its name.'
