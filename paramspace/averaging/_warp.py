"""Weight averaged rewarded policies (WARP)."""

from collections.abc import Callable
from typing import NamedTuple

from paramspace import base
from paramspace.averaging import _interpolate


class Warped(NamedTuple):
  """The result of `warp`.

  Attributes:
    params: The last point that was interpolated towards its start; the start of
      the next iteration, were there one.
    merged: The policies of the last iteration, merged but not yet pulled back.
      `wise_ft(params_0, merged, alpha)` draws the front between staying near
      to the first parameters, 0, and the reward, 1.
  """

  params: base.Params
  merged: base.Params


def warp(
  params: base.Params,
  train: Callable[[int, base.Params], base.Params],
  *,
  iterations: int,
  eta: float,
  policies: int = 2,
  scope: str = 'leaf',
) -> Warped:
  r"""Trains policies apart, merges them on an arc, pulls them back, repeats.

  An iteration begins at theta_init, and the first one at `params`:

    1. theta_m = train(run, theta_init) for M policies,
    2. theta_slerp = slerp of the task vectors theta_m - theta_init, in equal
       parts,
    3. theta_init <- (1 - eta) theta_init + eta theta_slerp.

  The anchor that the paper regularizes towards, an exponential moving average
  of the policy, lives and dies inside `train`: `averager(ema(1 - mu))`.

  Args:
    params: The parameters theta_0, after supervised fine-tuning.
    train: `(run, params) -> params`, one training of one policy. `run` counts
      the trainings from 0; make the key of a run with `jax.random.fold_in`.
    iterations: How often the three steps are taken.
    eta: In [0, 1]; 1 leaves the third step out.
    policies: M.
    scope: The angle is that of each 'leaf', as in the paper, or of the 'tree'.

  Returns:
    A `Warped`. In memory are theta_init, what is merged of an iteration, and
    one policy.

  Raises:
    ValueError: If an argument is out of its range, or `train` returns another
      kind of tree.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> goals = jnp.eye(2)
    >>> train = lambda run, params: params + goals[run % 2]
    >>> averaging.warp(jnp.zeros(2), train, iterations=1, eta=0.5).params
    Array([0.35355338, 0.35355338], dtype=float32)

  Note: More than two policies are merged one after another, policy m with
  t = 1/m; for other angles than equal ones this depends on their order. The
  public reimplementations use mu = .01, eta = .5 and 2 iterations; the
  constants of the paper are not repeated here.

  References:
    Rame et al, 2024, WARP: On the Benefits of Weight Averaged Rewarded
    Policies, https://arxiv.org/abs/2406.16768.
  """
  for name, count in ('iterations', iterations), ('policies', policies):
    if isinstance(count, bool) or count != int(count) or count < 1:
      raise ValueError(f'`{name}` must be a positive integer, got {count}.')
  _interpolate.unit_interval('eta', eta)
  for start in range(0, iterations * policies, policies):
    merged = train(start, params)
    for m in range(1, policies):
      policy = train(start + m, params)
      merged = _interpolate.slerp(
        merged, policy, 1 / (m + 1), base=params, scope=scope
      )
    params = _interpolate.lerp(params, merged, eta)
  return Warped(params, merged)
