"""Writes the tables of the README from the results that are kept here.

  python -m experiments.readme

The results are the `figures/<config>.json` that `paramspace reproduce` writes,
copied to `experiments/results/`. No number in the README is typed by hand.
"""

import json
import pathlib
import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace.launch import config as configs

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / 'experiments' / 'results'
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
    found = _read(name)
    if found is None:
      continue
    path = f'configs/intrinsic_dimension/{name}.py'
    module = configs.load(ROOT / path)
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
  return _markdown(rows)


def steps() -> str:
  """Returns the table of step times, over a direct step."""
  found = _read('subspace_step')
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
  return _markdown(table)


def redrawn() -> str:
  """Returns the table of a fixed against a redrawn basis."""
  return _markdown(
    [
      {
        'basis': row['basis'],
        'd': f'{row["dim"]:,}' if row['dim'] else 'all',
        'test accuracy': f'**{row["mean"]:.3f}** +- {row["std"]:.3f}',
        'paper': f'{row["paper"]:.3f}',
      }
      for row in _read('mnist_fc_redrawn')['rows']
    ]
  )


def one_program() -> str:
  """Returns the sentence about a sweep in one program."""
  found = _read('one_program')
  return (
    f'The {found["points"]} points of the digits sweep take '
    f'{found["one_program_s"]:.0f} s as one program, and '
    f'{found["one_by_one_s"]:.0f} s one after another: '
    f'**{found["ratio"]:.1f} times** as long.'
  )


def chaos() -> str:
  """Returns what the storm found, or that it was not run."""
  found = _read('chaos')
  if found is None:
    return 'Not measured yet.'
  asked = [row for row in found['rows'] if row['holds'] != '']
  failing = [row for row in asked if not row['holds']]
  value = {row['check']: row['found'] for row in found['rows']}
  measured = found['summary']
  lines = [
    f'{value["kills"]} SIGKILLs over a sweep of '
    f'{value["points of the sweep"]} points, '
    f'{value["of them during a save"]} of them during a save: '
    f'**{value["points whose final parameters have another digest"]}** points '
    f'with other bits. {value["harms"]} ways of damaging '
    f'{value["files harmed"]} files of a checkpoint: '
    f'**{value["resumed to other values"]}** wrong values. A run that saves '
    f'and logs every 100 steps takes {measured["overhead_lenet"]:.3f} times as '
    f'long as the bare loop at {value["lenet: ms of a bare step"]:.0f} ms a '
    f'step, {measured["overhead_fc"]:.2f} at '
    f'{value["fc: ms of a bare step"]:.1f} ms. From the shell to the first '
    f'step: {measured["first_step_s"]:.1f} s; a dry run of 10,000 points: '
    f'{measured["dry_run_vmapped_s"]:.1f} s. '
    f'{len(asked) - len(failing)} of {len(asked)} checks hold'
  ]
  lines += [f'not: {row["check"]} ({row["allowed"]})' for row in failing]
  return '; '.join(lines) + '.'


SECTIONS = {
  'chaos': chaos,
  'one_program': one_program,
  'dimensions': dimensions,
  'redrawn': redrawn,
  'steps': steps,
}


def render(text: str) -> str:
  """Returns the README with every marked table made anew."""
  for name, section in SECTIONS.items():
    start, end = f'<!-- {name} -->', f'<!-- end {name} -->'
    body = re.compile(f'{start}.*?{end}', re.DOTALL)
    if not body.search(text):
      raise ValueError(f'The README has no {start} ... {end}.')
    table = f'{start}\n{section()}\n{end}'
    text = body.sub(lambda _, table=table: table, text)
  return text


def _read(name: str) -> dict[str, Any] | None:
  path = RESULTS / f'{name}.json'
  return json.loads(path.read_text()) if path.is_file() else None


def _interval(measured: Sequence[float]) -> str:
  value, low, high = (f'{x:.0f}' for x in measured)
  return f'**{value}** ({low} to {high})'


def _paper(claim: Any) -> str:
  return '' if claim.paper is None else f'{claim.paper:,} ({claim.source})'


def _markdown(rows: Sequence[Mapping[str, str]]) -> str:
  def lines() -> Iterator[str]:
    yield ' | '.join(rows[0])
    yield ' | '.join('---' for _ in rows[0])
    for row in rows:
      yield ' | '.join(row.values())

  return '\n'.join(f'| {line} |' for line in lines())


if __name__ == '__main__':
  readme = ROOT / 'README.md'
  readme.write_text(render(readme.read_text('utf-8')), 'utf-8')
