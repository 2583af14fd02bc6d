"""Networks of different tasks merged, matched first or not."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import bootstrap
from experiments.figures import mode_connectivity
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('own', 'way', 'recipe', 'n', 'accuracy', 'scale', 'ensemble')
TOGETHER = 'together'  # Before the way of those that begin with one network.
TITLES = {
  'average': 'average',
  'task_arithmetic': 'task arithmetic',
  'ties': 'TIES',
}


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each share, way and recipe.

  Args:
    results: Of `experiments.mode_connectivity.merging`, one for each seed.
      Those that did not finish are left out.

  Returns:
    Rows with the share of a network's own classes; the way, with 'together/'
    before it where all begin with the same weights; the test accuracy over all
    classes, its mean over n seeds and all of them, `of_seeds`; the median of
    the scales; the mean accuracy of the networks alone, 'single', and of the
    mean of their answers, 'ensemble'; and the ratio of the distances after the
    permutation and before.
  """
  runs = {}
  for entry in results:
    if entry['status'] != 'done':
      continue
    config, result = entry['config'], entry['result']
    name = mode_connectivity.way(config)
    name = f'{TOGETHER}/{name}' if config['together'] else name
    of_seeds = runs.setdefault((config['own'], name), {})
    of_seeds[config['seed']] = result
  return [
    _row(own, way, recipe, [of_seeds[seed] for seed in sorted(of_seeds)])
    for (own, way), of_seeds in runs.items()
    for recipe in next(iter(of_seeds.values()))['merged']
  ]


def _row(
  own: float, way: str, recipe: str, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  merged = [x['merged'][recipe] for x in found]
  accuracies = [x['test'] for x in merged]
  ratios = [np.divide(x['distance'], x['distance_before']) for x in found]
  return {
    'own': own,
    'way': way,
    'recipe': recipe,
    'n': len(found),
    'accuracy': float(np.mean(accuracies)),
    'of_seeds': series.joined(accuracies),
    'scale': float(np.median([x['scale'] for x in merged])),
    'single': float(np.mean([x['single'] for x in found])),
    'ensemble': float(np.mean([x['ensemble'] for x in found])),
    'ensemble_of_seeds': series.joined([x['ensemble'] for x in found]),
    'distance_ratio': float(np.mean(ratios)),
  }


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns accuracies by share, way and recipe.

  Args:
    results: As in `table`.

  Returns:
    As '0.8/weight_matching/ties' the accuracy of a merge, and as
    '0.8/ensemble' that of the mean of the answers of networks that begin apart,
    each (mean, low, high) with a 95% bootstrap interval over seeds; as
    '0.8/single' the mean accuracy of one network.
  """
  entries = {}
  for row in table(results):
    share = f'{row["own"]:g}'
    entries[f'{share}/{row["way"]}/{row["recipe"]}'] = bootstrap.estimate(
      series.split(row['of_seeds'])
    )
    if not row['way'].startswith(TOGETHER):
      ensemble = series.split(row['ensemble_of_seeds'])
      entries[f'{share}/ensemble'] = bootstrap.estimate(ensemble)
      entries[f'{share}/single'] = row['single']
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the error against the share of own classes, for each recipe.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  recipes = list(dict.fromkeys(row['recipe'] for row in rows))
  shares = sorted({row['own'] for row in rows})
  errors = [1 - row[x] for row in rows for x in ('accuracy', 'ensemble')]
  least = min(x for x in errors if x > 0)  # No logarithm has a 0.
  places = style.panels(axes, len(recipes))
  for recipe, place in zip(recipes, places, strict=True):
    own = [row for row in rows if row['recipe'] == recipe]
    for way in dict.fromkeys(row['way'] for row in own):
      _draw_way([row for row in own if row['way'] == way], shares, place)
    _draw_unmerged(own, shares, place)
    place.set_xticks(range(len(shares)), [f'{share:.0%}' for share in shares])
    place.set_yscale('log')
    place.set_ylim(least / 1.1, max(errors) * 1.15)
    place.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    place.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
    place.yaxis.set_minor_formatter(ticker.NullFormatter())
    place.set_xlabel('of the images, those of own classes')
    place.set_title(TITLES.get(recipe, recipe))
  places[0].set_ylabel('test error over all classes')
  style.below(places[0])


# What is not merged, and as what it is drawn.
_UNMERGED = {
  'ensemble': ('mean of answers', (0, (1, 1))),
  'single': ('one network', (0, (3, 1, 1, 1))),
}


def _draw_unmerged(
  rows: Sequence[Mapping[str, Any]],
  shares: Sequence[float],
  axes: mpl_axes.Axes,
) -> None:
  """Draws networks that begin apart, each alone, and their answers' mean."""
  apart = [row for row in rows if not row['way'].startswith(TOGETHER)]
  for name, (label, line) in _UNMERGED.items():
    at = lambda share: [x[name] for x in apart if x['own'] == share]  # noqa: B023
    axes.plot(
      range(len(shares)),
      [1 - np.mean(at(share)) for share in shares],
      color='black',
      linestyle=line,
      linewidth=1,
      label=label,
    )


def _draw_way(
  rows: Sequence[Mapping[str, Any]],
  shares: Sequence[float],
  axes: mpl_axes.Axes,
) -> None:
  """Draws the mean over seeds, and their range."""
  rows = sorted(rows, key=lambda row: row['own'])
  way = rows[0]['way'].removeprefix(f'{TOGETHER}/')
  about = mode_connectivity.look(way)
  if rows[0]['way'] != way:
    about['color'] = 'C4'
    about['label'] = about['label'].replace(
      mode_connectivity.TITLES['none'], 'one initialisation'
    )
  x = [shares.index(row['own']) for row in rows]
  seeds = 1 - np.array([series.split(row['of_seeds']) for row in rows])
  axes.fill_between(
    x, seeds.min(1), seeds.max(1), color=about['color'], alpha=0.12, linewidth=0
  )
  axes.plot(x, [1 - row['accuracy'] for row in rows], marker='.', **about)
