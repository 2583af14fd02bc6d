"""Writes the tables of the README from the results that are kept here.

  python -m experiments.readme

The results are the `figures/<config>.json` that `paramspace reproduce` writes,
copied to `experiments/results/`. No number in the README is typed by hand.
"""

import re

from experiments.readme import _averages
from experiments.readme import _claims
from experiments.readme import _dimensions
from experiments.readme import _matching
from experiments.readme import _merging
from experiments.readme import _results
from experiments.readme import _running

SECTIONS = {
  'claims': _claims.claims,
  'chaos': _running.chaos,
  'one_program': _running.one_program,
  'dimensions': _dimensions.dimensions,
  'redrawn': _dimensions.redrawn,
  'steps': _dimensions.steps,
  'averages': _averages.averages,
  'averaging': _averages.speed,
  'encoders': _merging.encoders,
  'merging': _merging.merging,
  'merging_speed': _merging.speed,
  'merge_files': _merging.files,
  'barriers': _matching.barriers,
  'matching': _matching.matching,
  'planted': _matching.planted,
  'matching_times': _matching.times,
}
README = _results.ROOT / 'README.md'


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
