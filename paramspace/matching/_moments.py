"""Means and products of activations of two models, over batches."""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from paramspace import base
from paramspace import symmetry
from paramspace import trees

Activations = Callable[[base.Params, Any], dict[str, jax.Array]]


class Moments(NamedTuple):
  """What is known of the activations of one group, in float64.

  The units are those of the group, for each index of those it depends on:
  `[m]` where `m` is the product of `over` and `size`.

  Attributes:
    count: How many examples, or positions of examples.
    mean_a: `[m]`, of the first model.
    mean_b: `[m]`, of the second.
    squares_a: `[m]`, the sum of squares about the mean.
    squares_b: `[m]`.
    products: `[m, m]`, the sum of products about the means, a by b.
  """

  count: int
  mean_a: np.ndarray
  mean_b: np.ndarray
  squares_a: np.ndarray
  squares_b: np.ndarray
  products: np.ndarray


def activation_statistics(
  spec: symmetry.Spec,
  activations: Activations,
  a: base.Params,
  b: base.Params,
  batches: Iterable[Any],
) -> dict[str, Moments]:
  r"""Returns the moments of two models' activations over batches.

  Sums are about the means and in float64, and merged as exact formulas say;
  the order of the batches and how examples are put into batches do not matter,
  but for rounding.

  Args:
    spec: A specification.
    activations: `(params, batch)` to, by group, what each of its units does:
      `[..., *over, size]`. Leading axes are examples and positions. Groups that
      it leaves out are not matched.
    a: A model.
    b: Another.
    batches: One or more.

  Returns:
    By group. Those of two hosts are put together by `add_statistics`.

  Raises:
    ValueError: If there are no batches, or activations do not fit the group or
      are not finite.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching, symmetry
    >>> spec = symmetry.Spec(
    ...   {'hidden': symmetry.Group(2)},
    ...   {'w': (symmetry.Factor(None, 1), symmetry.Factor('hidden', 2))},
    ... )
    >>> hidden = lambda params, x: {'hidden': jnp.maximum(x @ params['w'], 0)}
    >>> a, b = {'w': jnp.array([[1.0, -1]])}, {'w': jnp.array([[-1.0, 1]])}
    >>> batches = [jnp.array([[2.0], [-4.0]]), jnp.array([[3.0]])]
    >>> found = matching.activation_statistics(spec, hidden, a, b, batches)
    >>> found['hidden'].mean_a.round(3).tolist()
    [1.667, 1.333]

  References:
    Chan et al, 1983, Algorithms for Computing the Sample Variance,
    https://doi.org/10.1080/00031305.1983.10483115, on the merge.
  """
  both = jax.jit(
    lambda a, b, batch: (activations(a, batch), activations(b, batch))
  )
  found: dict[str, Moments] = {}
  for batch in batches:
    of_a, of_b = both(a, b, batch)
    new = {
      name: _moments(_rows(spec, name, x), _rows(spec, name, of_b[name]))
      for name, x in of_a.items()
    }
    found = add_statistics(found, new) if found else new
  if not found:
    raise ValueError('`batches` is empty, or `activations` returns no group.')
  return found


def add_statistics(
  one: dict[str, Moments], other: dict[str, Moments]
) -> dict[str, Moments]:
  """Returns the statistics of the examples of both, by group.

  Raises:
    ValueError: If they are of different groups.
  """
  if one.keys() != other.keys():
    raise ValueError(
      f'The statistics are of different groups, {sorted(one)[:5]} and '
      f'{sorted(other)[:5]}.'
    )
  return {name: _added(one[name], other[name]) for name in one}


def _added(x: Moments, y: Moments) -> Moments:
  count = x.count + y.count
  step_a, step_b = y.mean_a - x.mean_a, y.mean_b - x.mean_b
  # Symmetric in x and y, so that the order of batches is a matter of rounding.
  between = x.count * (y.count / count)
  middle = lambda p, q: (x.count * p + y.count * q) / count
  return Moments(
    count,
    middle(x.mean_a, y.mean_a),
    middle(x.mean_b, y.mean_b),
    x.squares_a + y.squares_a + between * step_a**2,
    x.squares_b + y.squares_b + between * step_b**2,
    x.products + y.products + between * np.outer(step_a, step_b),
  )


def _moments(a: np.ndarray, b: np.ndarray) -> Moments:
  mean_a, mean_b = a.mean(0), b.mean(0)
  a, b = a - mean_a, b - mean_b
  return Moments(len(a), mean_a, mean_b, (a**2).sum(0), (b**2).sum(0), a.T @ b)


def _rows(spec: symmetry.Spec, name: str, x: jax.Array) -> np.ndarray:
  """Returns activations as `[rows, m]`, in float64."""
  shapes = symmetry.shapes(spec)
  if name not in shapes:
    raise ValueError(
      f'`activations` returns the group {name!r}, which the specification has '
      f'not; near misses: {trees.nearest(name, list(shapes))}.'
    )
  shape = shapes[name]
  if x.shape[x.ndim - len(shape) :] != shape or x.ndim == len(shape):
    raise ValueError(
      f'The activations of group {name!r} should be [..., '
      f'{", ".join(map(str, shape))}], got {list(x.shape)}.'
    )
  rows = np.asarray(x, np.float64).reshape(-1, int(np.prod(shape)))
  if not np.isfinite(rows).all():
    raise ValueError(
      f'The activations of group {name!r} have a value that is not finite.'
    )
  return rows
