"""How fast files are merged, beside mergekit-yaml and beside `cat`."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import digits_tasks
from experiments.figures import style

COLUMNS = (
  'D',
  'method',
  'ours_s',
  'peer_s',
  'cat_s',
  'start_s',
  'times',
  'of_floor',
  'peak_bytes',
  'peer_peak_bytes',
  'bound_bytes',
  'passes',
  'difference',
  'tied',
)
RATIOS = ('of_floor', 'times')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each size and method.

  Args:
    results: Of `experiments.benchmarks.merge_files`.

  Returns:
    Flat dicts: medians of the seconds of whole processes; as medians with
    `_low` and `_high`, how many `times` as fast as mergekit-yaml ours is, and
    its time `of_floor`, that of `cat` and of starting; the most bytes that
    were resident and the `bound` of ours; and, where nothing is drawn, the
    `difference` of the results and the share that `tied`.
  """
  shared = ('D', 'peer', 'device', 'cores')
  return [
    row | {name: r['result'][name] for name in shared}
    for r in results
    if r['status'] == 'done'
    for row in r['result']['rows']
  ]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the measurements by name.

  Args:
    results: As in `table`.

  Returns:
    Of the smallest size, numbers, e.g. 'ties/ours_s', 'ties/of_bound' and
    'ties/passes', and ratios as (median, lowest, highest): 'ties/of_floor',
    'ties/times' and its inverse 'ties/time'. Of larger ones the same, with the
    number of parameters in front: '2188461056/ties/ours_s'.
  """
  rows = table(results)
  least = min((row['D'] for row in rows), default=0)
  entries = {}
  for row in rows:
    size = '' if row['D'] == least else f'{row["D"]}/'
    start = f'{size}{row["method"]}/'
    plain = [n for n in row if n.endswith('_s') or n.endswith('_bytes')]
    for name in [*plain, 'passes', 'difference', 'tied']:
      if name in row:
        entries[start + name] = row[name]
    entries[f'{start}of_bound'] = row['peak_bytes'] / row['bound_bytes']
    for name in RATIOS:
      if name in row:
        entries[start + name] = _ratio(row, name)
    if 'times' in row:
      median, low, high = _ratio(row, 'times')
      entries[f'{start}time'] = 1 / median, 1 / high, 1 / low
  return entries


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the seconds of the smallest size as bars, method by method.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  least = min(row['D'] for row in rows)
  rows = [row for row in rows if row['D'] == least]
  methods = [row['method'] for row in rows]
  kinds = {
    'ours': ('ours_s', 'C0'),
    'mergekit-yaml': ('peer_s', style.GREY),
    '`cat` of the inputs': ('cat_s', '0.8'),
  }
  for i, (label, (column, color)) in enumerate(kinds.items()):
    bars = [
      (at + 0.27 * (i - 1), row[column])
      for at, row in enumerate(rows)
      if column in row
    ]
    if bars:
      axes.bar(*zip(*bars, strict=True), width=0.25, color=color, label=label)
  titles = [digits_tasks.title(method) for method in methods]
  axes.set_xticks(range(len(methods)), titles, rotation=30, ha='right')
  style.log_ticks(axes.yaxis, '{x:,g}')
  axes.set_ylabel('time of the whole process, seconds')
  axes.set_title(f'{least:,} parameters, median')
  style.below(axes, columns=3)


def _ratio(row: Mapping[str, Any], name: str) -> tuple[float, float, float]:
  return row[name], row[f'{name}_low'], row[f'{name}_high']
