"""The cost of averaging, over the least that it can cost."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes

from experiments.figures import style

COLUMNS = (
  'part',
  'method',
  'dtype',
  'D',
  'ratio',
  'over_floor',
  'step_ms',
  'read_gb_s',
  'combine_gb_s',
  'peak_trees',
  'decay',
  'error',
)
LIMIT = 1.2  # Of an update over a pass that adds, asked for.


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns the rows of all parts.

  Args:
    results: Of `experiments.benchmarks.averaging`.

  Returns:
    Flat dicts with `'part'` and `'method'`; the others depend on the part.
  """
  return [
    {'part': r['config']['part'], **row, 'device': r['result']['device']}
    for r in results
    if r['status'] == 'done'
    for row in r['result']['rows']
  ]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns what is asked of the library, and the ratios behind it.

  Args:
    results: As in `table`.

  Returns:
    Ratios as (median, lowest, highest), e.g. `'update/uniform/float32/199984'`
    and `'step/as_optax'`; `'combine'` and `'combine_peak_trees'`; and relative
    errors, e.g. `'settling/optax.ema/bfloat16/0.999'`.
  """
  entries = {}
  for row in table(results):
    keys = (row['part'], row['method'])
    if row['part'] == 'update':
      entries['/'.join((*keys, row['dtype'], str(row['D'])))] = _ratio(row)
    elif row['part'] == 'step':
      entries['/'.join(keys)] = _ratio(row)
    elif row['part'] == 'combine':
      entries['combine'] = _ratio(row)
      entries['combine_peak_trees'] = row['peak_trees']
    else:
      name = '/'.join((*keys, row['dtype'], str(row['decay'])))
      entries[name] = row['error']
  return entries


def _ratio(row: Mapping[str, Any]) -> tuple[float, float, float]:
  return row['ratio'], row['ratio_low'], row['ratio_high']


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws the ratio of an update to a pass that adds, for float32, against D.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  rows = [
    r for r in rows if (r['part'], r.get('dtype')) == ('update', 'float32')
  ]
  for i, method in enumerate(dict.fromkeys(row['method'] for row in rows)):
    line = sorted(
      (row['D'], row['ratio']) for row in rows if row['method'] == method
    )
    by_hand = method.startswith('optax')
    axes.plot(
      *zip(*line, strict=True),
      color=f'C{i}',
      marker='o',
      linestyle='--' if by_hand else '-',
      label=method,
    )
  axes.axhline(
    LIMIT,
    color=style.GREY,
    linewidth=0.8,
    linestyle=':',
    label=f'asked for: at most {LIMIT:g}',
  )
  style.log_ticks(axes.yaxis)
  axes.set_ylabel('time of an update / of a pass that adds')
  style.count_axis(axes, 'parameters D')
  axes.set_title('float32, median; optax by hand is dashed')
  axes.figure.set_size_inches(6.4, 4.6)  # The legend is below.
  style.below(axes, columns=3)
