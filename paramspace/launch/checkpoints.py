"""Checkpoints: the state of a run at some steps, exact to the bit."""

import contextlib
import pathlib
import time
from collections.abc import Callable
from typing import Any
from typing import TypeVar

from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import saving
from paramspace.launch import steps
from paramspace.launch import terminal

KEEP = 2

T = TypeVar('T')


class Checkpoints:
  """The newest checkpoints of one run, in one folder.

  A save is whole or absent: a step counts when its manifest, with the sha256 of
  every leaf, is there, and that is written after all else. A restore gives the
  very bits of the newest step that is whole. One that is not what its manifest
  says is set aside in `<folder>.damaged`, and the one before is taken.

  Several processes of one run share the folder: all of them call the methods,
  in the same order, and process 0 decides what is restored and removed.

  Attributes:
    directory: The folder; made by the first save.
  """

  def __init__(
    self,
    directory: pathlib.Path,
    on_restore: Callable[[int], None] = lambda step: None,
    on_save: Callable[[int], None] = lambda step: None,
    keep: int = KEEP,
  ):
    """Looks at no file yet.

    Args:
      directory: The folder of the checkpoints.
      on_restore: Called with the step that was restored.
      on_save: Called with a step before it is saved.
      keep: How many steps to keep, the newest.

    Raises:
      ValueError: If none is to be kept.
    """
    if keep < 1:
      raise ValueError(f'`keep` is at least 1, got {keep}.')
    self.directory = directory
    self._on_restore = on_restore
    self._on_save = on_save
    self._saver = saving.Saver(directory, keep)
    self._last = time.monotonic()

  def steps(self) -> list[int]:
    """Returns the steps that have been saved, in rising order."""
    return steps.committed(self.directory)

  def due(self, seconds: float) -> bool:
    """Whether so much time has passed since the last save, or the start."""
    return distributed.agree(time.monotonic() - self._last >= seconds)

  def save(self, step: int, tree: Any) -> None:
    """Begins to save the state after `step` steps.

    It returns when the state is copied, so that its arrays can be donated to
    the next step; the rest is done by a thread. Only one save is under way at a
    time: if the last one is not done, this waits for it, so that there is never
    more than one copy.

    Args:
      step: At least 0. A step that is saved already is left as it is.
      tree: A pytree of arrays, of typed PRNG keys too, and numbers.

    Raises:
      errors.CheckpointFailed: If the last save has failed.
    """
    self.wait()
    self._on_save(step)
    self._last = time.monotonic()
    if distributed.agree(step in self.steps()):
      return
    self._saver.begin(step, tree)

  def wait(self) -> None:
    """Waits for the last save.

    Raises:
      errors.CheckpointFailed: If it has failed; says so once.
    """
    self._saver.wait()

  def close(self) -> None:
    """Waits for the last save, and ends the thread; may be done twice.

    Raises:
      errors.CheckpointFailed: If the last save has failed.
    """
    self._saver.close()

  def restore(self, target: Any) -> tuple[int, Any] | None:
    """Returns the newest step that is whole, and its state.

    Args:
      target: A tree of arrays with the structure, shapes, dtypes and shardings
        to restore, on whatever number of devices; its values are not used.

    Returns:
      `(step, tree)`, or None if nothing has been saved yet.

    Raises:
      errors.UsageError: If the state that was saved is another one than
        `target`.
      errors.CheckpointCorrupt: If there are steps and none is whole.
      errors.CheckpointFailed: If the last save has failed.
    """
    self.close()  # What writes remembers steps that may be set aside now.
    if not distributed.agree(bool(self.steps())):
      return None
    from paramspace.files import manifest

    while (step := distributed.agree(max(self.steps(), default=-1))) >= 0:
      try:
        found = self._restore_step(step, target)
      except manifest.Mismatch as e:
        raise errors.UsageError(
          f'Checkpoint {self.directory / str(step)} is of another program: '
          f'{e}. Remove the folder to begin again.'
        ) from None
      except manifest.Damaged as e:
        self._set_aside(step, str(e))
        continue
      self._on_restore(step)
      return step, found
    raise errors.CheckpointCorrupt(
      f'No checkpoint in {self.directory} is whole; the damaged ones are in '
      f'{steps.damaged(self.directory)}. Start again to begin from step 0.'
    )

  def clear(self) -> None:
    """Removes all steps, once the last save is done."""
    with contextlib.suppress(errors.CheckpointFailed):
      self.close()
    if distributed.is_main():
      steps.clear(self.directory)

  def _restore_step(self, step: int, target: Any) -> Any:
    """Fails on all processes if it fails on one of them."""
    from paramspace.files import checkpoint
    from paramspace.files import manifest
    from paramspace.files import state

    beside = steps.manifest(self.directory, step)
    found, leaves = _together(
      lambda: checkpoint.read(self.directory, step, beside, target)
    )
    _together(lambda: manifest.check(leaves, found))
    return state.rebuild(target, found, leaves)

  def _set_aside(self, step: int, reason: str) -> None:
    if not distributed.is_main():
      return
    try:
      aside = steps.set_aside(self.directory, step)
    except OSError as e:
      raise errors.CheckpointCorrupt(
        f'Checkpoint {step} in {self.directory} is damaged ({reason}), and '
        f'cannot be set aside: {e}. Move it away, or make the folder writable.'
      ) from None
    terminal.line(f'Checkpoint {step} is damaged ({reason}): moved to {aside}')


def load(directory: pathlib.Path, step: int | None = None) -> dict[str, Any]:
  """Reads a state without a target to be like, and changes nothing.

  Args:
    directory: The folder of the checkpoints, a run's `ckpt`.
    step: Which; None for the newest.

  Returns:
    Nested dicts of NumPy arrays and PRNG keys, named as they were saved.

  Raises:
    errors.CheckpointCorrupt: If it is not what was saved; also if the newest is
      not, even where an older one is.
    FileNotFoundError: If it is not there.
  """
  from paramspace.files import checkpoint
  from paramspace.files import manifest
  from paramspace.files import state

  directory = pathlib.Path(directory)
  have = steps.committed(directory)
  if not have or step not in (None, *have):
    raise FileNotFoundError(
      f'{directory} has no checkpoint{"" if step is None else f" {step}"}; it '
      f'has {have or "none"}.'
    )
  step = have[-1] if step is None else step
  beside = steps.manifest(directory, step)
  try:
    found, leaves = checkpoint.read(directory, step, beside)
    manifest.check(leaves, found)
  except manifest.Damaged as e:
    raise errors.CheckpointCorrupt(
      f'Checkpoint {step} in {directory} is damaged ({e}); take another of '
      f'{have}.'
    ) from None
  return state.as_saved(found, leaves)


def verify(directory: pathlib.Path) -> list[tuple[int, str | None]]:
  """Looks whether checkpoints are what was written; changes nothing.

  Args:
    directory: The folder of the checkpoints.

  Returns:
    The steps that have been saved, in rising order, each with what is wrong
    with it; None if it is whole.
  """
  from paramspace.files import checkpoint
  from paramspace.files import manifest

  found = []
  for step in steps.committed(directory):
    beside, problem = steps.manifest(directory, step), None
    try:
      numbers, leaves = checkpoint.read(directory, step, beside)
      manifest.check(leaves, numbers)
    except manifest.Damaged as e:
      problem = str(e)
    found.append((step, problem))
  return found


def _together(do: Callable[[], T]) -> T:
  """Does it on every process; raises on all if it failed on one of them."""
  from paramspace.files import manifest

  result, failure = None, None
  try:
    result = do()
  except (manifest.Damaged, manifest.Mismatch) as e:
    failure = e
  if distributed.anywhere(failure is not None):
    raise failure or manifest.Damaged('another process cannot read it')
  return result
