"""What happens when a loss is not finite: a config's `nonfinite`.

`stop`: the run ends, with status 'diverged' and exit code 3. A row of a batch
is only marked; the program ends when all of its rows are.
`skip`: the step is not taken, and training goes on with the next batch.
`continue`: nothing happens; so it is where a config has no such key.

The policy can change a result, so it is a key like `seed`, not one of
`execution`. A study takes part in `skip` by a line in its step:

  kept = nonfinite.keep(config.nonfinite)(new, old, (loss, grads))
"""

import functools
import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import ml_collections

from paramspace import resolve
from paramspace.launch import errors

POLICIES = ('stop', 'skip', 'continue')

Rows = Sequence[Mapping[str, Any]]


class Kept(NamedTuple):
  """What a step leaves.

  Attributes:
    state: The new state, or the old one where the step was skipped.
    skipped: 1 where it was skipped, else 0; an int32 to count with.
  """

  state: Any
  skipped: Any


def policy(config: ml_collections.ConfigDict) -> str:
  """Returns the policy of a config.

  Raises:
    errors.UsageError: If it is not one of `POLICIES`.
  """
  found = config.get('nonfinite', 'continue')
  if found not in POLICIES:
    raise errors.UsageError(
      resolve.unknown('policy in `config.nonfinite`', str(found), POLICIES)
    )
  return found


def keep(policy: str) -> Callable[[Any, Any, Any], Kept]:
  """Returns the function that decides about a step, to be used inside `jit`.

  Args:
    policy: One of `POLICIES`. All but 'skip' take every step, and add nothing
      to the program.

  Returns:
    `(new, old, value) -> Kept`: the new state where all of `value`, a tree of
    arrays such as the loss and its gradient, is finite, and bit for bit the old
    one elsewhere. Under `vmap` each row decides for itself.

  Raises:
    ValueError: If there is no such policy.

  Examples:
    >>> import jax.numpy as jnp
    >>> new, old = {'z': jnp.float32(2)}, {'z': jnp.float32(1)}
    >>> kept = keep('skip')(new, old, jnp.float32(jnp.nan))
    >>> kept.state['z'].item(), kept.skipped.item()
    (1.0, 1)
  """
  if policy not in POLICIES:
    raise ValueError(resolve.unknown('policy', policy, POLICIES))

  def take(new: Any, old: Any, value: Any) -> Kept:
    import jax
    import jax.numpy as jnp

    if policy != 'skip':
      return Kept(new, jnp.int32(0))
    good = finite(value)
    state = jax.tree.map(lambda n, o: jnp.where(good, n, o), new, old)
    return Kept(state, 1 - good.astype(jnp.int32))

  return take


def finite(value: Any) -> Any:
  """Whether every number in a tree is finite, as a boolean array `[]`."""
  import jax
  import jax.numpy as jnp

  checks = [
    jnp.isfinite(x).all()
    for x in map(jnp.asarray, jax.tree.leaves(value))
    if jnp.issubdtype(x.dtype, jnp.inexact)
  ]
  return functools.reduce(jnp.logical_and, checks, jnp.bool_(True))


class Watch:
  """Looks for a loss that is not finite in what a run logs.

  Attributes:
    reason: The scalar and the step, once one was seen and the policy is `stop`;
      until then it is empty.
  """

  def __init__(self, policy: str):
    self.reason = ''
    self._stops = policy == 'stop'
    self._names: set[str] = set()

  def add(self, names: Iterable[str]) -> None:
    """Looks at these scalars too, not only at those that 'loss' is in."""
    self._names.update(names)

  def until(self, rows: Rows) -> Rows:
    """Returns the rows up to the first with such a loss, or all of them."""
    if not self._stops:
      return rows
    for number, row in enumerate(rows, 1):
      for name, value in row.items():
        if self._about(name) and not math.isfinite(value):
          self.reason = f'{name} is {value} at step {row["step"]}.'
          return rows[:number]
    return rows

  def _about(self, name: str) -> bool:
    return 'loss' in name.lower() or name in self._names
