"""Elements of a group of symmetries, and the group's operations."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _spec

# By group name, `[*over, size]`, int32: the entry at i comes from g[i].
Element = Mapping[str, jax.Array]


def shapes(spec: _spec.Spec) -> dict[str, tuple[int, ...]]:
  """Returns the shape of an element's array, by group."""
  return {
    name: (*(spec.groups[over].size for over in group.over), group.size)
    for name, group in spec.groups.items()
    if group.moves
  }


def identity(spec: _spec.Spec) -> Element:
  """Returns the element that moves nothing."""
  return {
    name: jnp.broadcast_to(jnp.arange(shape[-1], dtype=jnp.int32), shape)
    for name, shape in shapes(spec).items()
  }


def random(key: base.PRNGKey, spec: _spec.Spec) -> Element:
  """Returns an element drawn uniformly, each group by its name."""
  return {
    name: jax.random.permutation(
      trees.key_for(key, name), still, axis=-1, independent=True
    )
    for name, still in identity(spec).items()
  }


def compose(spec: _spec.Spec, second: Element, first: Element) -> Element:
  """Returns the element that acts as `first` and then `second`.

  `act(spec, compose(spec, g, h), x) == act(spec, g, act(spec, h, x))`.

  Args:
    spec: A specification.
    second: An element.
    first: An element.

  Returns:
    For a group on its own `first[second]`; where it depends on the coordinate h
    of another, `first[h', second[h]]` with h' where h comes from.
  """
  check(spec, first, 'first')
  check(spec, second, 'second')

  def one(name):
    at = _over(spec, second, name)
    return jnp.take_along_axis(first[name][at], second[name], -1)

  return {name: one(name) for name in first}


def inverse(spec: _spec.Spec, element: Element) -> Element:
  """Returns the element that undoes `element`."""
  check(spec, element, 'element')
  back = {
    name: jnp.argsort(element[name], -1).astype(jnp.int32)
    for name in element
    if not spec.groups[name].over
  }

  def one(name):
    moved = element[name][_over(spec, back, name)]
    return jnp.argsort(moved, -1).astype(jnp.int32)

  return back | {name: one(name) for name in element if name not in back}


def check(spec: _spec.Spec, element: Element, what: str = 'element') -> None:
  """Raises unless `element` is one of the specification's.

  Values are looked at where they are known, and not under `jit`.

  Args:
    spec: A specification.
    element: What is to be checked.
    what: What it is, for the message.

  Raises:
    ValueError: Naming the group that is missing, unknown, of another shape, or
      no permutation.
  """
  want = shapes(spec)
  if element.keys() != want.keys():
    raise ValueError(
      f'{what}: the groups differ from the specification. Missing: '
      f'{sorted(want.keys() - element.keys())[:5]}; unexpected: '
      f'{sorted(element.keys() - want.keys())[:5]}.'
    )
  for name, shape in want.items():
    x = element[name]
    if x.shape != shape or not jnp.issubdtype(x.dtype, jnp.integer):
      raise ValueError(
        f'{what}: group {name!r} should be int32{list(shape)}, got '
        f'{x.dtype}{list(x.shape)}.'
      )
    if isinstance(x, jax.core.Tracer):
      continue
    if not (np.sort(np.asarray(x), -1) == np.arange(shape[-1])).all():
      raise ValueError(f'{what}: group {name!r} is no permutation.')


def _over(spec, element, name):
  """Returns where the indices of the group `name` come from."""
  over = spec.groups[name].over
  froms = [
    element[o] if o in element else jnp.arange(spec.groups[o].size)
    for o in over
  ]
  return jnp.ix_(*froms) if froms else ()
