"""`--profile=START:STOP`: a trace of some steps for TensorBoard and xprof."""

import pathlib
import re
from typing import NamedTuple

from paramspace.launch import errors
from paramspace.launch import terminal


class Window(NamedTuple):
  """The steps to look at.

  Attributes:
    start: How many steps are done before the first of them.
    stop: How many are done after the last.
  """

  start: int
  stop: int


def parse(text: str) -> Window:
  """Reads the value of `--profile`.

  Args:
    text: START:STOP, for example 10:13 for the three steps after the tenth.

  Raises:
    errors.UsageError: If it is anything else, or STOP is not after START.

  >>> parse('10:13')
  Window(start=10, stop=13)
  """
  match = re.fullmatch(r'(\d+):(\d+)', text)
  window = Window(*map(int, match.groups())) if match else None
  if window is None or window.start >= window.stop:
    raise errors.UsageError(
      f'--profile is START:STOP, two numbers of steps with START < STOP, for '
      f'example 10:13; got {text!r}.'
    )
  return window


class Profiler:
  """Traces one window of steps, once."""

  def __init__(self, folder: pathlib.Path, window: Window | None = None):
    """Starts nothing.

    Args:
      folder: Where the trace goes.
      window: None to trace nothing.
    """
    self._folder, self._window = folder, window
    self._tracing = False

  def due(self, step: int) -> bool:
    """Whether the trace begins or ends after `step` steps."""
    if self._window is None:
      return False
    return self._tracing != (self._window.start <= step < self._window.stop)

  def at(self, step: int) -> None:
    """Begins or ends the trace if that is due.

    The device should have done these steps, and no others: JAX returns from a
    step before it is computed.
    """
    if not self.due(step):
      return
    import jax

    if self._tracing:
      self.close()
    else:
      jax.profiler.start_trace(self._folder)
      self._tracing = True

  def close(self) -> None:
    """Ends the trace if it is not over."""
    if not self._tracing:
      return
    import jax

    self._tracing, self._window = False, None
    jax.profiler.stop_trace()
    terminal.line(f'The trace is in {self._folder}; view it with xprof.')
