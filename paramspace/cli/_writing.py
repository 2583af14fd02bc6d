"""What the verbs share that write models: their output, and one-line errors."""

import argparse
import contextlib
from collections.abc import Iterator

from paramspace.launch import errors


def add_out(parser: argparse.ArgumentParser) -> None:
  """Adds where to write, and what to do with what is there."""
  parser.add_argument('out', metavar='OUT', help='the directory of the result')
  parser.add_argument(
    '--overwrite', action='store_true', help='replace what is in OUT'
  )
  parser.add_argument(
    '--no-resume',
    action='store_true',
    help='begin again, even if the same is there unfinished',
  )


@contextlib.contextmanager
def usage() -> Iterator[None]:
  """Makes one line of what is wrong with the files or the call."""
  from paramspace.files import manifest

  try:
    yield
  except manifest.Damaged as e:
    raise errors.CheckpointCorrupt(str(e)) from e
  except ValueError as e:
    raise errors.UsageError(str(e)) from e
  except OSError as e:
    if e.errno in errors.FULL:
      raise errors.NoRoom(f'{e.strerror or e}.') from e
    where = f'{e.filename}: {e.strerror}' if e.filename else str(e)
    raise errors.UsageError(where) from e
