"""Turns the first SIGINT or SIGTERM into a question the study can ask."""

import contextlib
import itertools
import os
import signal
import types
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FIRST = b'\nstopping: saving; press Ctrl-C again to quit at once\n'

# Never the same number twice in the life of a process: see `_AgreedStop`.
_CALLS = itertools.count(1)


class Stop:
  """Whether to save and to end.

  Attributes:
    requested: Whether a stop is known to be asked for. With several processes
      it is what the last call returned, so that all of them agree.
  """

  def __init__(self):
    self.requested = False

  def __call__(self, step: int) -> bool:
    """Whether to save now, and to end.

    Args:
      step: How many steps are done. With several processes, all of them call
        after the same steps.
    """
    del step
    return self.requested


class _AgreedStop(Stop):
  """A stop of several processes, whichever of them got the signal.

  JAX tells all processes of the signal that one of them got, lets them agree on
  the next number that none of them has asked for yet, and says yes to exactly
  that number. Steps will not do as numbers, because a study that asks every 100
  steps never asks for step 101: the calls are counted.
  """

  def __call__(self, step: int) -> bool:
    """See `Stop`."""
    from jax.experimental import multihost_utils

    del step
    number = next(_CALLS)
    reached = multihost_utils.reached_preemption_sync_point(number)
    self.requested = self.requested or reached
    return self.requested


@contextlib.contextmanager
def watch(processes: int = 1) -> Iterator[Stop]:
  """Catches the signals that ask a process to stop, while it is open.

  The first one makes `stop(step)` true, so that the study can save and end. A
  second SIGINT raises `KeyboardInterrupt` where the program is. The former
  handlers come back at the end. For the main thread only.

  Args:
    processes: How many processes run the program together, as
      `distributed.initialize` returned it. If more than one, SIGTERM is left to
      JAX, whose handler a Python one would switch off, and SIGINT is passed on
      as SIGTERM.

  Yields:
    The `Stop` to ask.
  """
  many = processes > 1
  stop = _AgreedStop() if many else Stop()
  seen = []

  def handle(number: int, frame: types.FrameType | None) -> None:
    del frame
    if number == signal.SIGINT and number in seen:
      raise KeyboardInterrupt
    if not seen:
      # `print` is not safe here: the signal may come in the middle of one.
      os.write(2, _FIRST)
    seen.append(number)
    if many:
      os.kill(os.getpid(), signal.SIGTERM)
    else:
      stop.requested = True

  caught = (signal.SIGINT,) if many else _SIGNALS
  before = {number: signal.signal(number, handle) for number in caught}
  try:
    yield stop
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
