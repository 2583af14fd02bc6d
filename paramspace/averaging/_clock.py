"""When samples are taken, and how many steps each stands for."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Clock(NamedTuple):
  """Counts updates.

  Attributes:
    step: The updates so far, int32.
    count: The samples among them, int32.
  """

  step: jax.Array
  count: jax.Array


class Sample(NamedTuple):
  """One update, as weights see it.

  Attributes:
    take: Whether the parameters go into the average; True, or a boolean array.
    time: The steps since the start, that one included, as a float.
    interval: How many of them this sample stands for, as a float.
    index: The samples before, as a float.
  """

  take: bool | jax.Array
  time: jax.Array
  interval: jax.Array
  index: jax.Array


def zero() -> Clock:
  """Returns the clock before the first update."""
  return Clock(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def make(every: int, start: int) -> Callable[[Clock], tuple[Clock, Sample]]:
  """Makes the function that moves a clock by one update.

  Samples are taken at the steps start + every, start + 2 every, ... Until the
  first of them the parameters of every step are taken, and count for nothing
  later.

  Args:
    every: Steps between samples, at least 1.
    start: Steps before those that are averaged, at least 0.

  Raises:
    ValueError: If one is out of its range.
  """
  for name, number, least in ('every', every, 1), ('start', start, 0):
    if isinstance(number, bool) or number != int(number) or number < least:
      raise ValueError(
        f'`{name}` must be an integer of at least {least}, got {number}.'
      )

  def tick(clock: Clock) -> tuple[Clock, Sample]:
    step = clock.step + 1
    since = step - start
    sampled = (since > 0) & (since % every == 0)
    # Of every step one sample: none is left out, and nothing is to be chosen.
    take = True if every == 1 else sampled | (clock.count == 0)
    sample = Sample(
      take=take,
      time=jnp.maximum(since, every).astype(float),
      interval=jnp.asarray(every, float),
      index=clock.count.astype(float),
    )
    return Clock(step, clock.count + sampled.astype(jnp.int32)), sample

  return tick


def when(take: bool | jax.Array, f: Callable, arguments: tuple) -> Any:
  """Returns `f(*arguments)` where `take` holds, else the arguments."""
  if take is True:
    return f(*arguments)
  return jax.lax.cond(take, f, lambda *same: same, *arguments)
