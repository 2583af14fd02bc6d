"""The weight that an average gives to each step."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base


def response(averager: base.Averager, steps: int) -> np.ndarray:
  """Returns the weight of each step in the average after `steps` updates.

  An average is linear in the trajectory, so its weights are its gradient along
  a trajectory of one number.

  Args:
    averager: Any; also one that is not of this package.
    steps: T, at least 1.

  Returns:
    Non-negative weights that sum to 1, float64 `[T]`, of steps 1 to T.

  Raises:
    ValueError: If `steps` is not positive.

  Example:
    >>> from paramspace import averaging
    >>> averaging.response(averaging.averager(averaging.ema(0.5)), 3)
    array([0.25, 0.25, 0.5 ])
  """
  return responses(averager, [steps])[0]


def responses(averager: base.Averager, times: Sequence[int]) -> np.ndarray:
  """Returns the weights after several numbers of updates.

  Args:
    averager: As in `response`.
    times: n numbers of updates, each at least 1.

  Returns:
    float64 `[n, max(times)]`, zero where a step comes later.

  Raises:
    ValueError: If one of them is not positive.
  """
  for steps in times:
    if steps != int(steps) or steps < 1:
      raise ValueError(f'`steps` must be a positive integer, got {steps}.')

  def averages(trajectory: jax.Array) -> jax.Array:
    def update(state, x):
      state = averager.update({'x': x}, state)
      return state, averager.value(state)['x']

    state = averager.init({'x': jnp.zeros((), trajectory.dtype)})
    _, found = jax.lax.scan(update, state, trajectory)
    return found[np.asarray(times) - 1]

  with jax.enable_x64(True):
    trajectory = np.zeros(max(times))
    return np.asarray(jax.jit(jax.jacrev(averages))(trajectory))
