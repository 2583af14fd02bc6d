"""What matching costs and recovers, beside git-re-basin's algorithm."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import style

COLUMNS = (
  'part',
  'width',
  'signal',
  'matcher',
  'cold',
  'warm',
  'products',
  'assignment',
  'dispatch',
  'seconds',
  'groups',
  'units',
  'of_peer',
)


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each point and matcher.

  Args:
    results: Of `experiments.benchmarks.matching`.

  Returns:
    Flat dicts: seconds of the first call of a process, `cold`, and of the
    others, `warm`, and what these go to; the share of the `groups` that were
    recovered, and of the `units`; and, as the least of all pairs, the objective
    that was found over the peer's.
  """
  return [
    row | {name: r['result'][name] for name in ('device', 'cores')}
    for r in results
    if r['status'] == 'done'
    for row in r['result']['rows']
  ]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the measurements by name.

  Args:
    results: As in `table`.

  Returns:
    Of pairs alike, `'4/cold/time'`, our time over the peer's; of pairs that are
    not, `'4/unlike/warm/time'`; `'4/unlike/outwards/warm/time'` the same by the
    start 'outwards' alone; `'4/0.3/groups'` and `'4/0.3/units'`, what was
    recovered, `'4/0.3/outwards/groups'` and `'4/0.3/peer/groups'`; and
    `'of_peer'`, the least objective.
  """
  rows = table(results)
  ours, quick, theirs = (
    {_place(row): row for row in rows if row['matcher'] == matcher}
    for matcher in ('ours', 'outwards', 'peer')
  )
  entries = {}
  for place, row in ours.items():
    part, width, signal = place
    if part == 'time':
      start = f'{width}/' if signal else f'{width}/unlike/'
      for kind in ('cold', 'warm'):
        entries[f'{start}{kind}'] = row[kind]
        entries[f'{start}{kind}/time'] = row[kind] / theirs[place][kind]
        if place in quick:
          ratio = quick[place][kind] / theirs[place][kind]
          entries[f'{start}outwards/{kind}/time'] = ratio
    else:
      for what in ('groups', 'units'):
        entries[f'{width}/{signal}/{what}'] = row[what]
        entries[f'{width}/{signal}/peer/{what}'] = theirs[place][what]
        if place in quick:
          entries[f'{width}/{signal}/outwards/{what}'] = quick[place][what]
  if ours:
    both = [*ours.values(), *quick.values()]
    entries['of_peer'] = min(row['of_peer'] for row in both)
  return entries


def _place(row):
  return row['part'], row['width'], row['signal']


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the share of the groups recovered against the signal.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  found = [row for row in rows if row['part'] == 'recovery']
  widths = sorted({row['width'] for row in found})
  for i, width in enumerate(widths):
    for matcher, line in (('ours', '-'), ('peer', ':')):
      those = [
        (row['signal'], row['groups'])
        for row in found
        if (row['width'], row['matcher']) == (width, matcher)
      ]
      color = f'C{i}' if matcher == 'ours' else style.GREY
      label = f'width {width}'
      label += '' if matcher == 'ours' else ', git-re-basin'
      points = zip(*sorted(those), strict=True)
      marker = 'os^D'[i % 4]
      axes.plot(*points, line, color=color, marker=marker, label=label)
  axes.set_xlabel('signal s')
  axes.set_ylabel('groups recovered')
  if found:
    style.below(axes, columns=len(widths))
