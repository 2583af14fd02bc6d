"""The gallery: all studies with a kept result on one page, a static file."""

import pathlib
from typing import NamedTuple

from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch.report import findings
from paramspace.launch.report import page
from paramspace.launch.report import studies

__all__ = ('Report', 'write')


class Report(NamedTuple):
  """A page that was written.

  Attributes:
    path: The file.
    size: Its bytes.
    studies: How many have a card.
    tally: How many claims it has, and what became of them.
  """

  path: pathlib.Path
  size: int
  studies: int
  tally: findings.Tally


def write(
  out: pathlib.Path, configs: pathlib.Path, results: pathlib.Path
) -> Report:
  """Writes the page of all studies, of results that were kept.

  The same configs and results give the same bytes, with the same versions of
  the packages. The page asks nothing of a network.

  Args:
    out: The file.
    configs: The folder of the configs, `<topic>/<name>.py`.
    results: The folder of the kept results, `<name>.json`.

  Raises:
    errors.UsageError: As in `studies.find`, or if the file cannot be written.
  """
  found = studies.find(configs, results)
  claimed = findings.every(found)
  content = page.render(found, claimed).encode()
  try:
    records.write_bytes(out, content)
  except OSError as e:
    if e.errno in errors.FULL:
      raise
    raise errors.UsageError(
      f'Cannot write to {out}: {e.strerror}; choose another --out.'
    ) from None
  kept = sum(study.kept is not None for study in found)
  return Report(out, len(content), kept, findings.tally(claimed))
