"""Tables of intrinsic dimensions, and of what they cost."""

from collections.abc import Sequence
from typing import Any

from experiments.readme import _results
from paramspace.launch import config as configs

PROBLEMS = (
  'digits_fc',
  'mnist_fc',
  'mnist_lenet',
  'mnist_shuffled_pixels_fc',
  'mnist_shuffled_pixels_lenet',
  'cifar10_lenet',
)
STEPS = (
  (199_210, 100),
  (199_210, 750),
  (199_210, 10_000),
  (2_000_000, 1_000),
  (20_000_000, 1_000),
  (20_000_000, 10_000),
)


def dimensions() -> str:
  """Returns the table of measured intrinsic dimensions."""
  rows = []
  for name in PROBLEMS:
    found = _results.read(name)
    if found is None:
      continue
    path = f'configs/intrinsic_dimension/{name}.py'
    module = configs.load(_results.ROOT / path)
    config, claim = module.get_config(), module.claim()[0]
    absolute, own = (
      _interval(found['summary'][f'd_int90_{kind}'])
      for kind in ('absolute', 'baseline')
    )
    row = found['rows'][-1]
    rows.append(
      {
        'problem': f'[{row["task"]}]({path})',
        'D': f'{row["D"]:,}',
        'd_int90, 0.9 of perfect': absolute,
        'd_int90, 0.9 of direct': own,
        'paper': _paper(claim),
        'direct accuracy': f'{found["summary"]["baseline_accuracy"]:.3f}',
        'settings': f'{row["n"]} seeds, {config.epochs} epochs, '
        f'Adam {config.optimizer.learning_rate:g}',
      }
    )
  return _results.markdown(rows)


def steps() -> str:
  """Returns the table of step times, over a direct step."""
  found = _results.read('subspace_step')
  rows = {(r['method'], r['D'], r['d']): r for r in found['rows']}
  methods = ('hashed', 'hadamard', 'fastfood', 'sparse', 'dense')
  table = []
  for method in methods:
    line = {'projection': f'`{method}`'}
    for size, dim in STEPS:
      near = [
        r
        for (m, big, d), r in rows.items()
        if (m, d) == (method, dim) and abs(big / size - 1) < 0.05
      ]
      text = f'{near[0]["ratio"]:.2f}' if near else 'no room'
      line[f'D = {size:,}, d = {dim:,}'] = text
    frozen = [
      r['frozen_bytes_per_parameter']
      for (m, _, _), r in rows.items()
      if m == method
    ]
    line['frozen bytes per parameter'] = (
      f'{min(frozen):.3g} to {max(frozen):.3g}'
    )
    table.append(line)
  return _results.markdown(table)


def redrawn() -> str:
  """Returns the table of a fixed against a redrawn basis."""
  return _results.markdown(
    [
      {
        'basis': row['basis'],
        'd': f'{row["dim"]:,}' if row['dim'] else 'all',
        'test accuracy': f'**{row["mean"]:.3f}** +- {row["std"]:.3f}',
        'paper': f'{row["paper"]:.3f}',
      }
      for row in _results.read('mnist_fc_redrawn')['rows']
    ]
  )


def _interval(measured: Sequence[float]) -> str:
  value, low, high = (f'{x:.0f}' for x in measured)
  return f'**{value}** ({low} to {high})'


def _paper(claim: Any) -> str:
  return '' if claim.paper is None else f'{claim.paper:,} ({claim.source})'
