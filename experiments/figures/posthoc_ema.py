"""Quality against the width of a post-hoc average, and how exact it is."""

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

COLUMNS = (
  'sigma_rel',
  'n',
  'loss',
  'accuracy',
  'tracked_loss',
  'residual',
  'l1',
  'error_4',
  'error_8',
  'error_16',
)
LAST = 0.0  # The width of the last iterate alone.


def table(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Returns a row for the last iterate, and one for each width.

  Args:
    results: Of `experiments.posthoc_ema`, one for each seed.

  Returns:
    Rows with the width, means over the seeds of loss and accuracy on the test
    set, the loss's 95% interval, the residual of the profile and the sum of
    absolute weights; where an average of that width was tracked too, its loss,
    and by number of snapshots n the relative distance of the parameters,
    `error_n`, and of the profiles, `residual_n`.
  """
  done = [r for r in results if r['status'] == 'done']
  return [_last(done), *_widths(done)]


def _last(done: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  loss, accuracy = (
    [r['result'][f'test_{name}'] for r in done] for name in ('loss', 'accuracy')
  )
  return _row(LAST, loss, accuracy)


def _row(
  width: float, loss: Sequence[float], accuracy: Sequence[float]
) -> dict[str, Any]:
  mean, low, high = bootstrap.estimate(loss)
  return {
    'sigma_rel': width,
    'n': len(loss),
    'loss': mean,
    'loss_low': low,
    'loss_high': high,
    'losses': series.joined(loss),
    'accuracy': float(np.mean(accuracy)),
  }


def _widths(done: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
  config = done[0]['config']
  column = lambda name: np.array([r['result'][name] for r in done])  # [n, ...]
  tracked = list(config['tracked'])
  for i, width in enumerate(config['targets']):
    row = _row(
      width, column('posthoc_loss')[:, i], column('posthoc_accuracy')[:, i]
    )
    row['residual'] = float(column('posthoc_residual')[:, i].mean())
    row['l1'] = float(column('posthoc_l1')[:, i].mean())
    if width in tracked:
      j = tracked.index(width)
      row['tracked_loss'] = float(column('tracked_loss')[:, j].mean())
      for k, count in enumerate(config['counts']):
        for name in 'error', 'residual':
          mean = column(f'tracked_{name}')[:, j, k].mean()
          row[f'{name}_{count}'] = float(mean)
    yield row


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
  """Returns the best width, what it gains, and how exact it is.

  Args:
    results: As in `table`.

  Returns:
    'best_sigma_rel'; 'gain', the loss of the last iterate less that of the best
    width, 'rise_narrow' and 'rise_wide', the losses of the narrowest and of the
    widest less the best, as (value, low, high) over seeds; and of each width
    that was tracked 'error_n/sigma' and 'residual_n/sigma'.
  """
  last, *rows = table(results)
  best = min(rows, key=lambda row: row['loss'])
  losses = lambda row: series.split(row['losses'])
  above = lambda row: bootstrap.estimate(losses(row) - losses(best))
  found = {
    'best_sigma_rel': best['sigma_rel'],
    'best_loss': (best['loss'], best['loss_low'], best['loss_high']),
    'last_loss': (last['loss'], last['loss_low'], last['loss_high']),
    'gain': above(last),
    'rise_narrow': above(rows[0]),
    'rise_wide': above(rows[-1]),
  }
  for row in rows:
    for name, value in row.items():
      if name.startswith(('error_', 'residual_')):
        found[f'{name}/{row["sigma_rel"]}'] = value
  return found


def draw(rows: Sequence[Mapping[str, Any]], axes: mpl_axes.Axes) -> None:
  """Draws loss against width: after the fact, and tracked.

  Args:
    rows: As returned by `table`.
    axes: Where to draw.
  """
  last, *rows = rows
  widths = [row['sigma_rel'] for row in rows]
  axes.fill_between(
    widths,
    [row['loss_low'] for row in rows],
    [row['loss_high'] for row in rows],
    color='C0',
    alpha=0.15,
    linewidth=0,
  )
  axes.plot(
    widths,
    [row['loss'] for row in rows],
    marker='.',
    color='C0',
    label='post hoc, from snapshots of two averages',
  )
  tracked = [row for row in rows if row.get('tracked_loss') is not None]
  axes.plot(
    [row['sigma_rel'] for row in tracked],
    [row['tracked_loss'] for row in tracked],
    **{**style.PAPER, 'color': 'C1', 'marker': 'D'},
    markersize=7,
    label='tracked during training',
  )
  axes.axhline(
    last['loss'], color=style.GREY, linestyle='--', label='last iterate'
  )
  axes.set_xscale('log')
  axes.xaxis.set_major_locator(ticker.FixedLocator([0.02, 0.05, 0.1, 0.2]))
  axes.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:g}'))
  axes.xaxis.set_minor_locator(ticker.NullLocator())
  axes.set_xlabel('relative width of the average, sigma_rel')
  axes.set_ylabel('test loss, nats')
  axes.set_title(
    f'averaged after training; mean of {last["n"]} runs, and its 95% interval'
  )
  axes.legend()
