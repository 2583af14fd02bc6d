"""Numbers on their way from the device to the disk."""

import functools
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np

Rows = list[tuple[int, dict[str, Any]]]


class Logbook:
  """Rows that wait on the device until they are fetched, all at once.

  To ask for one number is to wait until the device has computed it, and
  meanwhile nothing prepares the next step. So the numbers of many steps are
  fetched together.
  """

  def __init__(
    self, every: int, shape: tuple[int, ...], receive: Callable[[Rows], None]
  ):
    """Starts an empty book.

    Args:
      every: Fetch when the steps pass a multiple of this.
      shape: Of every value; where it is `()`, arrays of size one will do.
      receive: Called with the rows, each a step and its values on the host.
    """
    self._every, self._shape, self._receive = every, shape, receive
    self._rows: dict[int, dict[str, Any]] = {}
    self._last = self._fetched = 0

  def log(self, step: int, values: Mapping[str, Any]) -> None:
    """Keeps values, to be fetched later.

    Args:
      step: Not less than the last one. The values of equal steps are one row.
      values: Arrays, which may be donated or changed afterwards, or numbers.

    Raises:
      ValueError: If the step is less than the last, or a shape is wrong.
      TypeError: If a value is text, or is traced, as within `jit`.
    """
    step = int(step)
    if step < self._last:
      raise ValueError(
        f'log({step}, ...) comes after step {self._last}; steps rise.'
      )
    if step > self._last:
      self.tick(self._last)
    for name, value in values.items():
      self._check(name, value)
    self._rows[step] = self._rows.get(step, {}) | _kept(values)
    self._last = step

  def tick(self, step: int) -> None:
    """Fetches if that is due after `step` steps."""
    if step // self._every > self._fetched // self._every:
      self.fetch()
      self._fetched = step

  def fetch(self) -> None:
    """Fetches all rows, in one transfer, and hands them on."""
    if not self._rows:
      return
    import jax

    rows, self._rows = self._rows, {}
    self._receive(
      list(zip(rows, jax.device_get([*rows.values()]), strict=True))
    )

  def go_on_from(self, step: int) -> None:
    """Forgets rows that are not fetched, and expects those after `step`."""
    self._rows = {}
    self._last = self._fetched = step

  def _check(self, name: str, value: Any) -> None:
    import jax

    if isinstance(value, jax.core.Tracer):
      raise TypeError(f'log({name}=...) is within jit; return it and log that.')
    if self._shape:
      wanted = f'one number for each of {self._shape[0]} rows'
      right = np.shape(value) == self._shape
    else:
      wanted, right = 'a number', np.size(value) == 1
    if not right:
      raise ValueError(
        f'log({name}=...) takes {wanted}, got shape {np.shape(value)}.'
      )
    if isinstance(value, str):
      raise TypeError(f'log({name}=...) takes {wanted}, got {value!r}.')


def _kept(values: Mapping[str, Any]) -> dict[str, Any]:
  """Returns copies of the arrays: a later step may be given their memory."""
  import jax

  arrays = {k: v for k, v in values.items() if isinstance(v, jax.Array)}
  kept = {k: np.array(v) for k, v in values.items() if k not in arrays}
  if arrays:
    try:
      kept |= _copy()(arrays)
    except ValueError:  # They live on different devices.
      for name, array in arrays.items():
        kept |= _copy()({name: array})
  return {name: kept[name] for name in values}


@functools.cache
def _copy() -> Callable[[Any], Any]:
  """One call for all arrays takes a quarter of the time of `jnp.copy` each."""
  import jax
  import jax.numpy as jnp

  return jax.jit(lambda tree: jax.tree.map(jnp.copy, tree))
