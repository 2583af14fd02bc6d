"""Results that are kept, and tables in Markdown."""

import json
import pathlib
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
RESULTS = ROOT / 'experiments' / 'results'


def read(name: str) -> dict[str, Any] | None:
  """Returns the content of `<name>.json`; None if it is not there."""
  path = RESULTS / f'{name}.json'
  return json.loads(path.read_text()) if path.is_file() else None


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
  """Returns a table of rows that have the same columns."""

  def lines() -> Iterator[str]:
    yield ' | '.join(rows[0])
    yield ' | '.join('---' for _ in rows[0])
    for row in rows:
      yield ' | '.join(row.values())

  return '\n'.join(f'| {line} |' for line in lines())
