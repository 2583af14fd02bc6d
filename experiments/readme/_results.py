"""Results that are kept, and tables in Markdown."""

import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from paramspace.launch.report import studies

ROOT = pathlib.Path(__file__).parents[2]


def kept() -> list[studies.Study]:
  """Returns the studies with a kept result, paths as from the root."""
  found = studies.find(ROOT / 'configs', ROOT / 'experiments' / 'results')
  root = ROOT.as_posix()
  return [
    study._replace(path=study.path.relative_to(root))
    for study in found
    if study.kept is not None
  ]


def again(study: studies.Study) -> str:
  """Returns the command that does it again, a link to the config."""
  return f'[`{study.command}`]({study.path})'


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
  """Returns a table of rows that have the same columns."""

  def lines() -> Iterator[str]:
    yield ' | '.join(rows[0])
    yield ' | '.join('---' for _ in rows[0])
    for row in rows:
      yield ' | '.join(row.values())

  return '\n'.join(f'| {line} |' for line in lines())
