"""Soups with coefficients that are learned."""

import math
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from paramspace import base
from paramspace import trees as trees_lib
from paramspace.averaging import _ingredients

Loss = Callable[[base.Params, Any], jax.Array]


class LearnedSoup(NamedTuple):
  """A weighted average of the models.

  Attributes:
    params: The average.
    coefficients: By leaf name, the weights of the models, float32 `[n]`, that
      sum to 1; leaves that are not floating-point have none.
    losses: The loss of every batch, before the step that it made, `[batches]`.
  """

  params: base.Params
  coefficients: dict[str, jax.Array]
  losses: np.ndarray


def learned_soup(
  trees: Sequence[_ingredients.Entry],
  loss: Loss,
  batches: Iterable[Any],
  optimizer: optax.GradientTransformation | None = None,
  scope: str = 'leaf',
) -> LearnedSoup:
  r"""Learns the coefficients of a soup by gradient.

    theta = sum_k alpha_k theta_k,  alpha = softmax(z),  z_0 = 0,

  where z has a row for every leaf, or is one row for the whole tree. It starts
  at the uniform soup. Every batch makes one step.

  Args:
    trees: The models, or functions without arguments that load them. All n are
      in memory, stacked, and twice while that is done.
    loss: `(params, batch) -> scalar`, on data that is held out.
    batches: Batches of one shape; repeated for as many epochs as wanted.
    optimizer: Of z. Default is the paper's, AdamW with a learning rate of 0.05
      and no decay; there five epochs.
    scope: 'leaf', coefficients for each leaf, or 'tree', for all together.

  Returns:
    A `LearnedSoup`. The average is taken in float32 or wider, and has the
    dtypes of the models.

  Raises:
    ValueError: If there are no models or batches, the models differ, `scope` is
      unknown, or a loss is not finite; names the leaf or the batch.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> models = [{'w': jnp.array(0.0)}, {'w': jnp.array(1.0)}]
    >>> loss = lambda params, goal: (params['w'] - goal) ** 2
    >>> goals = [jnp.array(0.8)] * 100
    >>> soup = averaging.learned_soup(models, loss, goals)
    >>> [round(float(alpha), 2) for alpha in soup.coefficients['w']]
    [0.2, 0.8]
    >>> round(float(soup.params['w']), 2)
    0.8

  Note: The paper learns a scale of the logits too. That belongs to the model,
  not to the average: make it a leaf of the models, or leave it to `loss`.

  References:
    Wortsman et al, 2022, Model soups, https://arxiv.org/abs/2203.05482,
    Appendix I.
  """
  if scope not in ('leaf', 'tree'):
    raise ValueError(f"`scope` must be 'leaf' or 'tree', got {scope!r}.")
  optimizer = optimizer or optax.adamw(0.05, weight_decay=0.0)
  read = _ingredients.reader(trees)
  like, stacks = _stacked(read, len(trees))
  rows = (
    dict.fromkeys(stacks, '') if scope == 'tree' else {n: n for n in stacks}
  )
  z = {row: jnp.zeros(len(trees)) for row in rows.values()}
  state = optimizer.init(z)

  def params_at(z, like, stacks):
    alphas = jax.tree.map(jax.nn.softmax, z)
    mixed = {n: _mixed(alphas[rows[n]], xs) for n, xs in stacks.items()}
    return trees_lib.replace(like, mixed)

  @jax.jit
  def step(z, state, like, stacks, batch):
    objective = lambda z: loss(params_at(z, like, stacks), batch)
    value, gradient = jax.value_and_grad(objective)(z)
    with jax.numpy_dtype_promotion('standard'):  # Adam of optax needs it.
      updates, state = optimizer.update(gradient, state, z)
    return optax.apply_updates(z, updates), state, value

  losses = []
  for batch in batches:
    z, state, value = step(z, state, like, stacks, batch)
    losses.append(value)
  alphas = jax.tree.map(jax.nn.softmax, z)
  return LearnedSoup(
    params=jax.jit(params_at)(z, like, stacks),
    coefficients={name: alphas[row] for name, row in rows.items()},
    losses=_finite(losses),
  )


def _stacked(
  read: Callable[[int], base.Params], n: int
) -> tuple[base.Params, dict[str, jax.Array]]:
  """Returns a tree for the leaves that are carried, and the others stacked."""
  models = [read(k) for k in range(n)]
  leaves = [trees_lib.floating(model) for model in models]
  stacks = {
    name: jnp.stack([model[name] for model in leaves])  # [n, *s]
    for name in leaves[0]
  }
  # Of the leaves that are averaged, no more than the structure is needed.
  none = {name: jnp.zeros(()) for name in stacks}
  return trees_lib.replace(models[0], none), stacks


def _mixed(alpha: jax.Array, xs: jax.Array) -> jax.Array:
  """Returns sum_k alpha_k x_k."""
  wide = trees_lib.widen(xs)
  mixed = jnp.tensordot(
    alpha.astype(wide.dtype), wide, axes=1, precision=jax.lax.Precision.HIGHEST
  )
  return mixed.astype(xs.dtype)


def _finite(losses: list[jax.Array]) -> np.ndarray:
  """Returns the losses as numbers, if they are."""
  if not losses:
    raise ValueError('`batches` is empty; there is nothing to learn from.')
  values = [float(x) for x in jax.device_get(losses)]
  bad = [k for k, x in enumerate(values) if not math.isfinite(x)]
  if bad:
    raise ValueError(
      f'The loss of batch {bad[0]} is {values[bad[0]]}; lower the learning '
      'rate, or leave out the model that diverged.'
    )
  return np.array(values)
