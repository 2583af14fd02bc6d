"""Sign conflict against the number of models that are merged."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import bootstrap
from experiments.figures import series
from experiments.figures import style

COLUMNS = ('density', 'n', 'seeds', 'shared', 'chance', 'kept', 'whole')
FIELDS = ('shared', 'kept', 'whole', 'chance')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each density and number of models.

  Args:
    results: Of `experiments.sign_conflict`, one for each seed and density.
      Those that did not finish are left out.

  Returns:
    Rows with means over the subsets of n models and over seeds: the share of
    entries in conflict, among those that are `shared`, that are `kept` and the
    `whole`, and what random signs would give, `chance`; with the means of every
    seed, `*_of_seeds`, and the least and the most of all subsets, `*_low` and
    `*_high`.
  """
  runs = {}
  for entry in results:
    if entry['status'] == 'done':
      config = entry['config']
      of_seeds = runs.setdefault(config['density'], {})
      of_seeds[config['seed']] = entry['result']
  return [
    _row(density, n, [of_seeds[seed] for seed in sorted(of_seeds)])
    for density, of_seeds in sorted(runs.items())
    for n in _sizes(next(iter(of_seeds.values())))
  ]


def _sizes(result: Mapping[str, Any]) -> list[int]:
  return sorted({len(tasks) for tasks in result['subsets']})


def _row(
  density: float, n: int, found: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  row = {'density': density, 'n': n, 'seeds': len(found)}
  of_size = np.array([len(tasks) == n for tasks in found[0]['subsets']])
  for field in FIELDS:
    values = np.array([x[field] for x in found])[:, of_size]  # [seeds, k]
    row[field] = float(values.mean())
    row[f'{field}_of_seeds'] = series.joined(values.mean(1))
    row[f'{field}_low'] = float(values.min())
    row[f'{field}_high'] = float(values.max())
  return row


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the conflict among shared entries, by density and number.

  Args:
    results: As in `table`.

  Returns:
    As '0.2/6/shared' and '0.2/6/whole' the conflict of six models trimmed to a
    fifth, (mean, low, high) with a 95% bootstrap interval over seeds, and what
    chance would give, '0.2/6/chance'; as '0.2/rise' that of all models less
    that of pairs.
  """
  entries, first = {}, {}
  for row in table(results):
    density, shared = (
      f'{row["density"]:g}',
      series.split(row['shared_of_seeds']),
    )
    at = f'{density}/{row["n"]}'
    entries[f'{at}/shared'] = bootstrap.estimate(shared)
    entries[f'{at}/whole'] = bootstrap.estimate(
      series.split(row['whole_of_seeds'])
    )
    entries[f'{at}/chance'] = row['chance']
    rise = shared - first.setdefault(density, shared)
    entries[f'{density}/rise'] = bootstrap.estimate(rise)
  return entries


_PANELS = {
  'shared': 'of the entries that two deltas keep, or more',
  'whole': 'of all entries; bands: all subsets and seeds',
}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws a line for each density, its subsets, and what chance gives, dotted.

  Args:
    rows: As returned by `table`.
    axes: Where to draw; it is replaced.
  """
  places = style.panels(axes, len(_PANELS))
  densities = sorted({row['density'] for row in rows}, reverse=True)
  for (field, title), place in zip(_PANELS.items(), places, strict=True):
    for i, density in enumerate(densities):
      own = [row for row in rows if row['density'] == density]
      n = [row['n'] for row in own]
      ends = [[row[f'{field}_{end}'] for row in own] for end in ('low', 'high')]
      place.fill_between(n, *ends, color=f'C{i}', alpha=0.15, linewidth=0)
      place.plot(
        n,
        [row[field] for row in own],
        'o-',
        color=f'C{i}',
        label='whole deltas' if density == 1 else f'largest {density:.0%}',
      )
      if field == 'shared':
        chance = [row['chance'] for row in own]
        place.plot(n, chance, ':', color=f'C{i}', linewidth=1)
    place.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if field == 'whole':
      place.set_yscale('log')
      place.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
    else:
      place.set_ylim(0, 1)
    place.set_xlabel('models that are merged')
    place.set_title(title)
  places[0].plot([], [], ':', color=style.GREY, label='random signs')
  places[0].set_ylabel('share whose signs conflict')
  style.below(places[0], columns=5)
