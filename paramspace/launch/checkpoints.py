"""Checkpoints: the state of a run at some steps, exact to the bit."""

import logging
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

from paramspace.launch import errors
from paramspace.launch import terminal

KEEP = 2


class Checkpoints:
  """The newest checkpoints of one run, in one folder.

  A save is whole or absent: a process killed in the middle of one leaves the
  step before. A step that cannot be restored is set aside in `<folder>.damaged`
  and the one before is taken.

  Attributes:
    directory: The folder; made by the first save.
  """

  def __init__(
    self,
    directory: pathlib.Path,
    on_restore: Callable[[int], None] = lambda step: None,
  ):
    """Looks at no file yet.

    Args:
      directory: The folder of the checkpoints.
      on_restore: Called with the step that was restored.
    """
    self.directory = directory
    self._on_restore = on_restore
    self._last = time.monotonic()

  def steps(self) -> list[int]:
    """Returns the steps that have been saved, in rising order."""
    if not self.directory.is_dir():
      return []
    names = (p.name for p in self.directory.iterdir())
    return sorted(int(name) for name in names if name.isdecimal())

  def due(self, seconds: float) -> bool:
    """Whether so much time has passed since the last save, or the start."""
    return time.monotonic() - self._last >= seconds

  def save(self, step: int, tree: Any) -> None:
    """Saves the state after `step` steps; returns when it is on disk.

    Args:
      step: At least 0. A step that is saved already is left as it is.
      tree: A pytree of arrays, of typed PRNG keys too.
    """
    import orbax.checkpoint as ocp

    if step not in self.steps():
      leaves, about = _pack(tree)
      items = ocp.args.Composite(
        leaves=ocp.args.StandardSave(leaves), about=ocp.args.JsonSave(about)
      )
      with self._manager() as manager:
        manager.save(step, args=items, force=True)
    self._last = time.monotonic()

  def restore(self, target: Any) -> tuple[int, Any] | None:
    """Returns the newest step and its state.

    Args:
      target: A tree of arrays with the structure, shapes, dtypes and shardings
        to restore; its values are not used.

    Returns:
      `(step, tree)`, or None if nothing has been saved yet.

    Raises:
      ValueError: If the state that was saved is another one than `target`.
      errors.CheckpointCorrupt: If there are steps and none can be restored.
    """
    damaged = []
    for step in reversed(self.steps()):
      try:
        found = self._restore_step(step, target)
      except _OtherState as e:
        raise ValueError(
          f'Checkpoint {self.directory / str(step)} is of another program: {e} '
          'Remove the folder to begin again.'
        ) from None
      except Exception as e:  # orbax has a different one for each kind of harm.
        logging.getLogger(__name__).debug('Step %d: %s', step, e)
        damaged.append(self._set_aside(step))
        terminal.line(f'Checkpoint {step} is damaged: {damaged[-1]}')
        continue
      self._on_restore(step)
      return step, found
    if damaged:
      raise errors.CheckpointCorrupt(
        f'No checkpoint in {self.directory} is whole; the damaged ones are in '
        f'{damaged[0].parent}. Start again to begin from step 0.'
      )
    return None

  def clear(self) -> None:
    """Removes the folder and all steps in it."""
    shutil.rmtree(self.directory, ignore_errors=True)

  def _manager(self) -> Any:
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(max_to_keep=KEEP, create=True)
    return ocp.CheckpointManager(self.directory.resolve(), options=options)

  def _restore_step(self, step: int, target: Any) -> Any:
    import orbax.checkpoint as ocp

    leaves, about = _pack(target)
    with self._manager() as manager:
      items = ocp.args.Composite(about=ocp.args.JsonRestore())
      _check_same(manager.restore(step, args=items)['about'], about)
      items = ocp.args.Composite(leaves=ocp.args.StandardRestore(leaves))
      found = manager.restore(step, args=items)['leaves']
    return _unpack(found, target)

  def _set_aside(self, step: int) -> pathlib.Path:
    aside = self.directory.with_name(f'{self.directory.name}.damaged')
    shutil.rmtree(aside / str(step), ignore_errors=True)
    aside.mkdir(exist_ok=True)
    return (self.directory / str(step)).rename(aside / str(step))


class _OtherState(ValueError):
  """The saved leaves are not those of the target."""


def _pack(tree: Any) -> tuple[dict[str, Any], dict[str, Any]]:
  """Returns plain arrays by name, and what has to agree on restore.

  Orbax casts to the target's dtype without a word and cannot hold an empty
  array; so the dtypes are recorded, and empty leaves are recorded only.
  """
  import jax
  import jax.numpy as jnp

  from paramspace import trees

  leaves, about = {}, {}
  for name, x in trees.named(tree).items():
    x = jnp.asarray(x)
    about[name] = [str(x.dtype), list(x.shape)]
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      x = jax.random.key_data(x)
    if x.size:
      leaves[name] = x
  return leaves or {'nothing': jnp.zeros(1)}, about


def _unpack(leaves: dict[str, Any], target: Any) -> Any:
  """Rebuilds the tree of `target`, with its typed PRNG keys."""
  import jax
  import jax.numpy as jnp

  from paramspace import trees

  rebuilt = {}
  for name, x in trees.named(target).items():
    x = jnp.asarray(x)
    if not x.size:
      rebuilt[name] = x
    elif jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
      impl = jax.random.key_impl(x)
      rebuilt[name] = jax.random.wrap_key_data(leaves[name], impl=impl)
    else:
      rebuilt[name] = leaves[name]
  return trees.replace(target, rebuilt)


def _check_same(saved: dict[str, Any], wanted: dict[str, Any]) -> None:
  """Names the first leaf that differs in name, dtype or shape."""
  for name in sorted(saved.keys() | wanted.keys()):
    was, now = saved.get(name, 'absent'), wanted.get(name, 'absent')
    if was != now:
      raise _OtherState(f'leaf {name!r} was {was} and is now {now}.')
