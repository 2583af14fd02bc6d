"""Elements of a group of symmetries, and the group's operations."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _spec

# By group name, `[*over, size]`, int32: the entry at i comes from g[i].
Element = Mapping[str, jax.Array]

FEW = 1024  # Numbers that are drawn at least.


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
    name: _drawn(trees.key_for(key, name), shape)
    for name, shape in shapes(spec).items()
  }


def _drawn(key, shape):
  """Returns permutations along the last axis, by sorting numbers of 64 bits."""
  count = math.prod(shape)
  drawn = max(FEW, 1 << (count - 1).bit_length())  # Few sizes, few programs.
  words = jax.random.bits(key, (2, drawn))
  xp = jnp if isinstance(words, jax.core.Tracer) else np
  words = xp.asarray(words)[:, :count].reshape(2, *shape)
  return _int32(xp.lexsort(tuple(words), -1))


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
  xp, first, second = arrays(first, second)

  def one(name):
    moved = first[name][_over(xp, spec, second, name)]
    return xp.take_along_axis(moved, second[name], -1)

  return {name: _int32(one(name)) for name in first}


def inverse(spec: _spec.Spec, element: Element) -> Element:
  """Returns the element that undoes `element`."""
  check(spec, element, 'element')
  xp, element = arrays(element)
  back: dict[str, jax.Array] = {}
  # A group depends on those whose own groups are fewer.
  for name in sorted(element, key=lambda name: len(spec.groups[name].over)):
    back[name] = xp.argsort(element[name][_over(xp, spec, back, name)], -1)
  return {name: _int32(back[name]) for name in element}


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


def arrays(*elements: Element) -> tuple[Any, ...]:
  """Returns numpy, and the elements in it, where they are known; or jax.numpy.

  What is done to indices is many small operations, each of which would be a
  program to compile.
  """
  known = not any(
    isinstance(x, jax.core.Tracer)
    for element in elements
    for x in element.values()
  )
  if not known:
    return jnp, *elements
  host = [
    {n: np.asarray(x) for n, x in element.items()} for element in elements
  ]
  return np, *host


def _int32(x):
  return jnp.asarray(x).astype(jnp.int32)


def _over(xp, spec, element, name):
  """Returns where the indices of the group `name` come from."""
  over, froms = spec.groups[name].over, []
  for o in over:
    source = element[o] if o in element else xp.arange(spec.groups[o].size)
    axes = [over.index(other) for other in (*spec.groups[o].over, o)]
    order, shape = np.argsort(axes), [1] * len(over)
    for axis, size in zip(axes, source.shape, strict=True):
      shape[axis] = size
    froms.append(source.transpose(order).reshape(shape))
  return tuple(froms)
