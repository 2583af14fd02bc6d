"""The storm: what was checked, what was found, and whether it holds."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from matplotlib import axes as mpl_axes
from matplotlib import ticker

from experiments.figures import style

COLUMNS = ('part', 'check', 'found', 'allowed', 'holds')


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for each check, in the order of the parts.

  Args:
    results: Of `experiments.benchmarks.chaos`.
  """
  return [
    {
      'part': r['config']['part'],
      'check': check['check'],
      'found': _text(check),
      'allowed': check.get('allowed', ''),
      'holds': check.get('holds', ''),
    }
    for r in results
    for check in r['result']['checks']
  ]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns how many checks of right and wrong hold, and what was measured.

  Args:
    results: As for `table`.
  """
  checks = [check for r in results for check in r['result']['checks']]
  measured = {c['quantity']: c['found'] for c in checks if c.get('quantity')}
  asked = [c['holds'] for c in checks if 'holds' in c and not c.get('quantity')]
  share = sum(asked) / len(asked) if asked else 1.0
  return {'checks': len(asked), 'share_that_holds': share, **measured}


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws how many checks of each part hold, and how many do not.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  parts = list(dict.fromkeys(row['part'] for row in rows))
  titles = [part.replace('_', ' ') for part in parts]
  count = lambda part, holds: sum(
    row['part'] == part and row['holds'] is holds for row in rows
  )
  good = [count(part, True) for part in parts]
  bad = [count(part, False) for part in parts]
  axes.barh(titles, good, color='C0', label='holds')
  axes.barh(titles, bad, left=good, color='C1', label='does not hold')
  axes.invert_yaxis()
  axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
  axes.set_xlabel('number of checks')
  style.below(axes)


def _text(check: Mapping[str, Any]) -> Any:
  """Lists are of no use in a table that is also written as CSV."""
  found = check['found']
  return found if isinstance(found, (int, float, str)) else str(found)
