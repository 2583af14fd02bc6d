"""A training loop that goes on where it was stopped, to the same bits."""

import itertools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import jax
import numpy as np

from paramspace.launch import errors

State = TypeVar('State')


def train(
  run: Any,
  state: State,
  stops: Sequence[int],
  advance: Callable[[State, int, int], tuple[State, Mapping[str, Any]]],
  *,
  checkpoint_seconds: float,
  description: str = '',
  show: Callable[[Mapping[str, Any]], Mapping[str, float]] = lambda _: {},
) -> State:
  """Trains from the last checkpoint to the last stop.

  Args:
    run: A `launch.run.Run` or a `BatchRun`.
    state: All that the rest of the training depends on, at step 0.
    stops: The steps at which to log, in rising order; the same in every start,
      so that the same programs run over the same steps.
    advance: `(state, first, last) -> (state, scalars)`: the steps from `first`
      to `last`, and what to log after them. It may donate the state.
    checkpoint_seconds: The time between two saves.
    description: For the progress bar.
    show: Of the scalars, what the progress bar shows.

  Returns:
    The state after the last stop.

  Raises:
    errors.Preempted: If the run is to stop; its state is saved.
  """
  found = run.checkpoints.restore(state)
  step, state = found or (0, state)
  total = stops[-1]
  with run.progress(total, description) as bar:
    bar.set(step)
    for last in [s for s in stops if s > step]:
      state, scalars = advance(state, step, last)
      run.log(last, **scalars)
      bar.advance(last - step, **show(scalars))
      step = last
      stop = run.should_stop(step) and step < total
      if stop or run.checkpoints.due(checkpoint_seconds):
        run.checkpoints.save(step, state)
      if stop:
        raise errors.Preempted(f'Saved at step {step} of {total}.')
  return state


def stops(total: int, every: int, also: Iterable[int] = ()) -> list[int]:
  """Returns the multiples of `every`, the steps in `also`, and the last.

  >>> stops(10, 4, also=[5])
  [4, 5, 8, 10]
  """
  steps = {*range(every, total, every), *also, total}
  return sorted(s for s in steps if 0 < s <= total)


def epochs(count: int, per_epoch: int, every: int) -> list[int]:
  """Returns the multiples of `every` within each epoch, and the ends of all.

  >>> epochs(2, per_epoch=5, every=3)
  [3, 5, 8, 10]
  """
  return [
    epoch * per_epoch + step
    for epoch, step in itertools.product(range(count), stops(per_epoch, every))
  ]


def order(seed: int, epoch: int, count: int, batch: int) -> np.ndarray:
  """Returns the batches of an epoch, `[count // batch, batch]` of indices.

  A function of (seed, epoch) alone, so that a resumed run reads what an
  unbroken one does. Examples that fill no batch are left to other epochs.
  """
  generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
  indices = generator.permutation(count).astype(np.int32)
  return indices[: count // batch * batch].reshape(-1, batch)


def batches(
  seed: int, first: int, last: int, count: int, batch: int
) -> np.ndarray:
  """Returns the indices of the steps from `first` to `last`.

  Args:
    seed: Of the order.
    first: Steps behind it.
    last: Steps behind it afterwards.
    count: The number of examples.
    batch: Examples in a batch.

  Returns:
    `[last - first, batch]`; step `s` has row `s mod n` of epoch `s div n`,
    where an epoch has `n = count // batch` steps.
  """
  per_epoch = count // batch
  of_epoch = {
    e: order(seed, e, count, batch)
    for e in range(first // per_epoch, (last - 1) // per_epoch + 1)
  }
  rows = (divmod(step, per_epoch) for step in range(first, last))
  return np.stack([of_epoch[epoch][row] for epoch, row in rows])


def fetch(scalars: Mapping[str, jax.Array]) -> dict[str, float]:
  """Returns numbers on the host, in one transfer."""
  return {k: float(v) for k, v in jax.device_get(dict(scalars)).items()}
