"""`jax.vmap` without batching: one row after another, with the same bits."""

from collections.abc import Callable
from typing import Any

_WHOLE = object()  # Marks arguments that every row gets whole.


def mapped(f: Callable[..., Any], in_axes: Any = 0) -> Callable[..., Any]:
  """Maps a function over the rows of its arguments with `jax.lax.map`.

  A vmapped product is another product than that of a row alone, and rounds
  otherwise; its last bits depend on the number of rows. Here every row is
  computed by the program of one row.

  Args:
    f: A function of trees of arrays.
    in_axes: As in `jax.vmap`: the axis of the rows, None for what all rows
      share, and tuples or trees of these that are prefixes of the arguments.

  Returns:
    The function of many rows; its outputs have the rows in front.

  Examples:
    >>> import jax.numpy as jnp
    >>> mapped(jnp.dot, (0, None))(jnp.eye(2), jnp.array([3.0, 4.0]))
    Array([3., 4.], dtype=float32)
  """

  def rows(*args: Any) -> Any:
    import jax
    import jax.numpy as jnp

    leaves, treedef = jax.tree.flatten(args)
    axes = _axes(in_axes, args)
    fronted = [
      jnp.moveaxis(x, axis, 0) if axis else jnp.asarray(x)
      for x, axis in zip(leaves, axes, strict=True)
      if axis is not _WHOLE
    ]
    _check_counts(fronted)

    def row(some: list[Any]) -> Any:
      some = iter(some)
      of_row = [
        x if axis is _WHOLE else next(some)
        for x, axis in zip(leaves, axes, strict=True)
      ]
      return f(*jax.tree.unflatten(treedef, of_row))

    return jax.lax.map(row, fronted)

  return rows


def _axes(in_axes: Any, args: tuple[Any, ...]) -> list[Any]:
  """Returns the axis of every leaf of the arguments."""
  import jax

  whole = lambda axis: _WHOLE if axis is None else axis
  if isinstance(in_axes, list):
    in_axes = tuple(in_axes)
  prefix = jax.tree.map(whole, in_axes, is_leaf=lambda axis: axis is None)
  spread = lambda axis, part: [axis] * len(jax.tree.leaves(part))
  return jax.tree.leaves(jax.tree.map(spread, prefix, args))


def _check_counts(fronted: list[Any]) -> None:
  counts = {x.shape[:1] for x in fronted}
  if len(counts) != 1 or () in counts:
    shapes = ', '.join(str(x.shape) for x in fronted) or 'none'
    raise ValueError(
      f'The mapped arguments need one number of rows; with the rows in front '
      f'their shapes are {shapes}.'
    )
