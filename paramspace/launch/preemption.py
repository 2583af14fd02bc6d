"""Turns the first SIGINT or SIGTERM into a question the study can ask."""

import contextlib
import os
import signal
import types
from collections.abc import Callable
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FIRST = b'\nstopping: saving; press Ctrl-C again to quit at once\n'


@contextlib.contextmanager
def watch() -> Iterator[Callable[[], bool]]:
  """Catches the signals that ask a process to stop, while it is open.

  The first one makes `should_stop()` true, so that the study can save and end.
  A second SIGINT raises `KeyboardInterrupt` where the program is. The former
  handlers come back at the end. For the main thread only.

  Yields:
    `should_stop`, which takes nothing and says whether a signal has come.
  """
  seen = []

  def handle(number: int, frame: types.FrameType | None) -> None:
    del frame
    if number == signal.SIGINT and number in seen:
      raise KeyboardInterrupt
    if not seen:
      # `print` is not safe here: the signal may come in the middle of one.
      os.write(2, _FIRST)
    seen.append(number)

  before = {number: signal.signal(number, handle) for number in _SIGNALS}
  try:
    yield lambda: bool(seen)
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
