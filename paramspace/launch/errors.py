"""How a command ends: exit codes, and the exceptions that carry them."""

import contextlib
import errno
from collections.abc import Iterator

DONE = 0
FAILED = 1
USAGE = 2
DIVERGED = 3
CORRUPT = 4
PREEMPTED = 42
INTERRUPTED = 130

# What the system says where there is no room for a file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LaunchError(Exception):
  """An end that one line explains; the command prints no traceback.

  Attributes:
    code: The exit code of the command.
  """

  code = FAILED


class Failed(LaunchError):
  """A study raised what no one expected; the other points went on."""


class UsageError(LaunchError):
  """The config or the call is wrong; nothing was started."""

  code = USAGE


class Diverged(LaunchError):
  """Training left the finite numbers; starting again would do so again."""

  code = DIVERGED


class CheckpointCorrupt(LaunchError):
  """No checkpoint in a directory that has some can be restored."""

  code = CORRUPT


class CheckpointFailed(LaunchError):
  """A checkpoint could not be written; the one before is as it was."""


class NoRoom(LaunchError):
  """There is no room for a file; what was written before is as it was."""


class Preempted(LaunchError):
  """Stopped on request, with everything saved: start me again."""

  code = PREEMPTED


@contextlib.contextmanager
def usage() -> Iterator[None]:
  """Turns what reading a config and its data raises into a `UsageError`.

  For what a study does before its first step: what is wrong with the config or
  the data is one line then, not a traceback.

  Example:
    >>> with usage():
    ...   raise ValueError('`rate` must be positive, got -1.')
    Traceback (most recent call last):
      ...
    paramspace.launch.errors.UsageError: `rate` must be positive, got -1.
  """
  try:
    yield
  except (OSError, ValueError) as e:
    raise UsageError(str(e)) from e
