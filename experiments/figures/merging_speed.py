"""How fast models are merged, beside mergekit and beside a copy."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import digits_tasks
from experiments.figures import style

COLUMNS = (
  'method',
  'definition',
  'mparams_s',
  'peer_mparams_s',
  'times',
  'times_low',
  'times_high',
  'of_copy',
  'difference',
)


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each method and definition.

  Args:
    results: Of `experiments.benchmarks.merging`.

  Returns:
    Flat dicts: millions of parameters a second, ours and the peer's; as medians
    with `_low` and `_high`, how many `times` as fast as the peer ours is, and
    its fraction `of_copy`, of the speed of a plain copy; and, where both
    results should be equal, their `difference`.
  """
  return [
    row | {name: r['result'][name] for name in ('peer', 'device', 'cores')}
    for r in results
    if r['status'] == 'done'
    for row in r['result']['rows']
  ]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the measurements by name.

  Args:
    results: As in `table`.

  Returns:
    Numbers, e.g. `'ties/paper/mparams_s'`, and ratios as (median, lowest,
    highest): `'ties/paper/times'`, its inverse `'ties/paper/time'`, and
    `'ties/paper/of_copy'`.
  """
  entries = {}
  for row in table(results):
    start = f'{row["method"]}/{row["definition"]}/'
    for name in ('mparams_s', 'peer_mparams_s', 'difference'):
      if name in row:
        entries[start + name] = row[name]
    entries[start + 'of_copy'] = _ratio(row, 'of_copy')
    if 'times' in row:
      median, low, high = _ratio(row, 'times')
      entries[start + 'times'] = median, low, high
      entries[start + 'time'] = 1 / median, 1 / high, 1 / low
  return entries


def _ratio(row: Mapping[str, Any], name: str) -> tuple[float, float, float]:
  return row[name], row[f'{name}_low'], row[f'{name}_high']


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the speeds as bars, method by method.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  methods = list(dict.fromkeys(row['method'] for row in rows))
  kinds = {
    'ours, as mergekit': ('mergekit', 'mparams_s', 'C0'),
    'ours, as the paper': ('paper', 'mparams_s', 'C1'),
    'mergekit': ('mergekit', 'peer_mparams_s', style.GREY),
  }
  for i, (label, (definition, column, color)) in enumerate(kinds.items()):
    bars = [
      (methods.index(row['method']) + 0.27 * (i - 1), row[column])
      for row in rows
      if row['definition'] == definition and column in row
    ]
    if bars:
      axes.bar(*zip(*bars, strict=True), width=0.25, color=color, label=label)
  titles = [digits_tasks.title(method) for method in methods]
  axes.set_xticks(range(len(methods)), titles, rotation=30, ha='right')
  style.log_ticks(axes.yaxis, '{x:,g}')
  axes.set_ylabel('million parameters a second')
  axes.set_title('speed of merging, median')
  style.below(axes, columns=3)
