"""Writes the results of the README from what is kept here.

  python -m experiments.readme

The results are the `figures/<config>.json` that `paramspace reproduce` writes,
copied to `experiments/results/`. No number in the README is typed by hand, and
all that is not in it is on the page of `paramspace report`.
"""

import re

from experiments.readme import _claims
from experiments.readme import _figures
from experiments.readme import _results
from experiments.readme import _speed

SECTIONS = {
  'claims': _claims.claims,
  'speed': _speed.speed,
  'figures': _figures.figures,
}
README = _results.ROOT / 'README.md'


def render(text: str) -> str:
  """Returns the README with every marked part made anew."""
  for name, section in SECTIONS.items():
    start, end = f'<!-- {name} -->', f'<!-- end {name} -->'
    body = re.compile(f'{start}.*?{end}', re.DOTALL)
    if not body.search(text):
      raise ValueError(f'The README has no {start} ... {end}.')
    part = f'{start}\n{section()}\n{end}'
    text = body.sub(lambda _, part=part: part, text)
  return text
