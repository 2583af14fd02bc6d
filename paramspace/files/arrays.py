"""Arrays on disk by orbax, step after step; without a word on their bits."""

import logging
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

_PACKAGE = str(pathlib.Path(ocp.__file__).parent)
_ITEM = 'leaves'  # The name of orbax's item, and of its folder in the step's.


class Writer:
  """Writes arrays into `directory/<step>`, which is whole or absent.

  With several processes, all of them make one and call `begin` together, where
  no other thread runs a program on the devices.
  """

  def __init__(self, directory: pathlib.Path):
    """Makes the directory.

    Args:
      directory: The folder of the steps.
    """
    options = ocp.CheckpointManagerOptions(
      save_root_metadata=False,
      # Alone, `begin` writes all: its caller has a thread for it already.
      enable_async_checkpointing=jax.process_count() > 1,
    )
    self._directory = directory
    self._manager = _Manager(
      directory.resolve(), options=options, item_handlers={_ITEM: _handler()}
    )

  def begin(self, step: int, arrays: Mapping[str, Any]) -> None:
    """Copies what is on devices, and begins to write.

    Args:
      step: One that is not there.
      arrays: NumPy arrays, equal on all processes, or arrays that are split
        over the processes.
    """
    item = ocp.args.PyTreeSave(dict(arrays))
    self._manager.save(
      step, args=ocp.args.Composite(**{_ITEM: item}), force=True
    )

  def finish(self, step: int) -> None:
    """Waits until it is written.

    Raises:
      Exception: What it failed with.
    """
    self._manager.wait_until_finished()
    folder = self._directory / str(step)
    # The manager lists a step that it has failed to write.
    if not ocp.utils.is_checkpoint_finalized(folder.resolve()):
      raise OSError(f'{folder} is not finished')

  def close(self) -> None:
    """Ends its threads."""
    self._manager.close()


class _Manager(ocp.CheckpointManager):
  """One that leaves preemption alone."""

  def reached_preemption(self, step: int) -> bool:
    """Does not ask JAX, as it otherwise does in every save.

    JAX answers one number only, the first that no process has asked for. Who
    asks at the end of every step would never come to orbax's numbers.
    """
    del step
    return False


def read(
  folder: pathlib.Path, wanted: Mapping[str, jax.ShapeDtypeStruct | None]
) -> dict[str, Any]:
  """Returns the arrays of one step.

  Waits for no other process: each can fail by itself.

  Args:
    folder: The folder of the step.
    wanted: Every array that was written, by name: None to get it as a NumPy
      array, or the shape, dtype and sharding to give to it.

  Raises:
    Exception: A different one for each kind of harm. Harm to the numbers is not
      seen at all.
  """
  args = ocp.args.PyTreeRestore(
    item=dict.fromkeys(wanted, 0),
    restore_args={name: _restore_args(x) for name, x in wanted.items()},
  )
  return _handler().restore(epath.Path(folder.resolve() / _ITEM), args=args)


def _handler() -> ocp.PyTreeCheckpointHandler:
  # One file for each array and no compression: parameters do not get smaller,
  # and both together took half of the time of a save.
  return ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_compression=False)


def _restore_args(wanted: jax.ShapeDtypeStruct | None) -> ocp.RestoreArgs:
  if wanted is None:
    return ocp.RestoreArgs(restore_type=np.ndarray)
  return ocp.ArrayRestoreArgs(
    restore_type=jax.Array,
    sharding=wanted.sharding,
    global_shape=wanted.shape,
    dtype=wanted.dtype,
  )


def _quiet() -> None:
  """Keeps orbax from saying on stderr what it raises anyway.

  It logs tracebacks of its own. And where one of several arrays fails, it
  forgets the tasks of the others, and closes the event loop that they report
  to: they complain of that, whenever they end.
  """
  others = sys.unraisablehook

  def hook(what: Any) -> None:
    late = str(what.exc_value) == 'Event loop is closed' and what.object is None
    if not late:
      others(what)

  def of_others(record: logging.LogRecord) -> bool:
    said = f'{record.pathname}: {record.getMessage()}'
    return _PACKAGE not in said

  sys.unraisablehook = hook
  for name in ('absl', 'asyncio'):
    logging.getLogger(name).addFilter(of_others)


_quiet()
