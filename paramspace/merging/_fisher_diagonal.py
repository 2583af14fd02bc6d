"""The diagonal of the Fisher information."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.merging import _check


def fisher_diagonal(
  log_prob: Callable[[base.Params, Any], jax.Array],
  params: base.Params,
  inputs: Any,
  kind: str = 'exact',
  batch: int = 32,
) -> base.Params:
  r"""Returns the diagonal of the Fisher information at `params`.

  It is a mean over examples x of squared gradients, one example at a time: the
  square of a batch's gradient is something else. 'exact' takes the expectation
  over the model's own distribution of the labels,

    F = mean_x sum_c p(c | x) (d log p(c | x) / d theta)^2,

  and 'empirical' takes the labels that were observed,

    F = mean_(x, y) (d log p(y | x) / d theta)^2.

  Args:
    log_prob: `(params, example)`, for 'exact' to the log probabilities of the
      classes, `[classes]`; for 'empirical' to that of the observed label, a
      scalar. An example is an entry of `inputs`, without the leading axis.
    params: A tree.
    inputs: A tree of arrays, examples along the leading axis.
    kind: 'exact' or 'empirical'.
    batch: How many examples are computed at once. In memory are as many
      gradients, for 'exact' times the classes.

  Returns:
    The floating-point leaves of `params` by name, in float32 or wider.

  Raises:
    ValueError: If an argument is out of its range, or `log_prob` returns what
      the kind does not take.

  Example:
    >>> import jax, jax.numpy as jnp
    >>> from paramspace import merging
    >>> log_prob = lambda params, x: jax.nn.log_softmax(params['w'] * x)
    >>> x = jnp.array([2.0])
    >>> params = {'w': jnp.zeros(2)}
    >>> merging.fisher_diagonal(log_prob, params, x)['w']
    Array([1., 1.], dtype=float32)

  References:
    Matena and Raffel, 2021, Merging Models with Fisher-Weighted Averaging,
    https://arxiv.org/abs/2111.09832, Equation 3. Kunstner et al, 2019,
    Limitations of the Empirical Fisher Approximation,
    https://arxiv.org/abs/1905.12558.
  """
  _check.one_of('kind', kind, ('exact', 'empirical'))
  sizes = {x.shape[0] for x in jax.tree.leaves(inputs)}
  if len(sizes) != 1 or not min(sizes):
    raise ValueError(
      f'`inputs` must have one number of examples, 1 or more, got {sizes}.'
    )
  if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
    raise ValueError(f'`batch` must be a positive integer, got {batch}.')
  leaves = trees.floating(params)
  outline = lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
  one = jax.tree.map(outline, inputs)
  shape = jax.eval_shape(log_prob, params, one).shape
  if len(shape) != (kind == 'exact'):
    wanted = 'those of the classes' if kind == 'exact' else 'a scalar'
    raise ValueError(
      f'`log_prob` should return {wanted}, got shape {list(shape)}; the kind '
      f'is {kind!r}.'
    )
  log = lambda leaves, x: log_prob(trees.replace(params, leaves), x)
  squares = _exact if kind == 'exact' else _empirical

  def total(sums: dict, examples: Any):
    rows = jax.vmap(squares, (None, None, 0))(log, leaves, examples)
    return jax.tree.map(lambda s, r: s + jnp.sum(r, 0), sums, rows), None

  n = sizes.pop()
  whole = n - n % batch
  cut = lambda x: x[:whole].reshape(-1, batch, *x.shape[1:])
  sums = {k: jnp.zeros_like(trees.widen(x)) for k, x in leaves.items()}
  sums, _ = jax.lax.scan(total, sums, jax.tree.map(cut, inputs))
  if n % batch:
    sums, _ = total(sums, jax.tree.map(lambda x: x[whole:], inputs))
  return {name: x / n for name, x in sums.items()}


def _exact(log: Callable, leaves: dict, x: Any) -> dict[str, jax.Array]:
  """Returns sum_c p_c (d log p_c)^2 at one example."""
  logs, pull = jax.vjp(lambda leaves: log(leaves, x), leaves)
  (rows,) = jax.vmap(pull)(jnp.eye(logs.size, dtype=logs.dtype))
  p = jnp.exp(logs)
  weigh = lambda row: jnp.tensordot(
    p.astype(row.dtype), row * row, 1, precision=jax.lax.Precision.HIGHEST
  )
  return {name: weigh(trees.widen(row)) for name, row in rows.items()}


def _empirical(log: Callable, leaves: dict, x: Any) -> dict[str, jax.Array]:
  """Returns (d log p(y | x))^2 at one example."""
  rows = jax.grad(log)(leaves, x)
  return {name: trees.widen(row) ** 2 for name, row in rows.items()}
