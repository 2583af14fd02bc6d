"""Writing checkpoints while the training goes on."""

import concurrent.futures
import contextlib
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch import steps

T = TypeVar('T')

# After a failed save: how often to look for what it leaves, and the seconds
# between.
_TRIES = 10
_PAUSE = 0.1


class Saver:
  """Writes one state after another, in a thread of its own."""

  def __init__(self, directory: pathlib.Path, keep: int):
    """Looks at no file yet.

    Args:
      directory: The folder of the checkpoints.
      keep: How many steps to keep, the newest.
    """
    self._directory = directory
    self._keep = keep
    self._writer: Any = None
    self._thread: concurrent.futures.Executor | None = None
    self._last: concurrent.futures.Future[None] | None = None

  def begin(self, step: int, tree: Any) -> None:
    """Begins to save a state, once the last one is saved.

    Raises:
      errors.CheckpointFailed: If the last save has failed, or this one cannot
        begin.
    """
    self.wait()
    from paramspace.files import checkpoint
    from paramspace.files import state

    self._guard(step, self._open)
    leaves = state.copy(tree)
    write = functools.partial(checkpoint.begin, self._writer, step, leaves)
    if not distributed.alone():
      # The processes talk to each other, and no thread may do that meanwhile.
      manifest = self._guard(step, write)
      write = lambda: manifest
    self._last = self._thread.submit(
      self._guard, step, lambda: self._commit(step, write())
    )

  def wait(self) -> None:
    """Waits for the last save.

    Raises:
      errors.CheckpointFailed: If it has failed; says so once.
    """
    last, self._last = self._last, None
    if last is not None:
      last.result()

  def close(self) -> None:
    """Waits for the last save, and ends the thread; may be done twice.

    Raises:
      errors.CheckpointFailed: If the last save has failed.
    """
    try:
      self.wait()
    finally:
      self._close()

  def _open(self) -> None:
    """Makes the folder ready, and what writes to it."""
    if self._writer is not None:
      return
    from paramspace.files import arrays

    if distributed.is_main():
      steps.tidy(self._directory)
    distributed.agree(True)  # All wait until it is tidy.
    self._writer = arrays.Writer(self._directory)
    self._thread = concurrent.futures.ThreadPoolExecutor(1, 'checkpoints')

  def _commit(self, step: int, manifest: str) -> None:
    """Makes the step count, once all of it is written."""
    self._writer.finish(step)
    if distributed.is_main():
      path = steps.manifest(self._directory, step)
      records.write_text(path, manifest)
      for old in steps.committed(self._directory)[: -self._keep]:
        steps.remove(self._directory, old)

  def _guard(self, step: int, do: Callable[[], T]) -> T:
    """Does a part of a save; cleans up if it fails."""
    try:
      return do()
    except Exception as e:  # Orbax has a different one for each kind of harm.
      self._close()
      self._tidy()
      reason = (str(e).splitlines() or [type(e).__name__])[0].rstrip('.')
      whole = steps.committed(self._directory)
      kept = f'Step {whole[-1]} is intact' if whole else 'There is none before'
      raise errors.CheckpointFailed(
        f'Step {step} could not be saved: {reason}. {kept}; make room for '
        f'{self._directory} and start again.'
      ) from e

  def _tidy(self) -> None:
    """Removes what a failed save leaves, which may go on for a moment."""
    for _ in range(_TRIES):
      with contextlib.suppress(OSError):
        if not distributed.is_main() or not steps.tidy(self._directory):
          return
      time.sleep(_PAUSE)

  def _close(self) -> None:
    writer, self._writer = self._writer, None
    if writer is not None:
      with contextlib.suppress(Exception):  # What it failed with, once more.
        writer.close()
    thread, self._thread = self._thread, None
    if thread is not None:
      thread.shutdown(wait=False)
