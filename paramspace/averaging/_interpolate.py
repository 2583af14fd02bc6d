"""Points between two models."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import trees
from paramspace.averaging import _ingredients

Scalar = float | jax.Array


def lerp(a: base.Params, b: base.Params, t: Scalar) -> base.Params:
  r"""Returns the point (1 - t) a + t b of a straight line.

  It is `a` at t = 0 and `b` at t = 1, to the bit, and where the two are equal,
  they stay so for every t.

  Args:
    a: A tree.
    b: A tree like it.
    t: A number; outside [0, 1] the line goes on.

  Returns:
    A tree in the dtypes of `a`, computed in float32 or wider. Leaves that are
    not floating-point are those of `a`, and of `b`.

  Raises:
    ValueError: If `t` is not a scalar, or the trees differ: in leaves, shapes,
      dtypes, or, outside `jit`, in values that are not floating-point.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> averaging.lerp({'w': jnp.zeros(2)}, {'w': jnp.ones(2)}, 0.25)['w']
    Array([0.25, 0.25], dtype=float32)
  """
  _check(a, b, t, 'lerp: b, beside a')
  ends = trees.floating(b)
  moved = {
    name: between(trees.widen(x), trees.widen(ends[name]), t).astype(x.dtype)
    for name, x in trees.floating(a).items()
  }
  return trees.replace(a, moved)


def wise_ft(
  pretrained: base.Params, tuned: base.Params, alpha: Scalar
) -> base.Params:
  r"""Returns (1 - alpha) pretrained + alpha tuned.

  A fine-tuned model is pulled back towards where it came from, for robustness.
  It is `lerp`, between its ends.

  Args:
    pretrained: The model before fine-tuning.
    tuned: The model after it.
    alpha: In [0, 1].

  Returns:
    A tree like both.

  Raises:
    ValueError: If alpha is outside [0, 1], or the trees differ.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> averaging.wise_ft({'w': jnp.zeros(1)}, {'w': jnp.ones(1)}, 0.75)['w']
    Array([0.75], dtype=float32)

  References:
    Wortsman et al, 2021, Robust fine-tuning of zero-shot models,
    https://arxiv.org/abs/2109.01903.
  """
  unit_interval('alpha', alpha)
  return lerp(pretrained, tuned, alpha)


def slerp(
  a: base.Params,
  b: base.Params,
  t: Scalar,
  base: base.Params | None = None,
  scope: str = 'leaf',
) -> base.Params:
  r"""Returns a point on the arc from `a` to `b` around `base`.

  With u = a - base, v = b - base, and Omega the angle between them,

    base + sin((1 - t) Omega) / sin(Omega) u + sin(t Omega) / sin(Omega) v.

  Where u and v are perpendicular and of one length, all points have that length
  too, while the straight line cuts the corner. Where there is no arc, because u
  and v are parallel, opposite or zero, it is the straight line.

  Args:
    a: A tree.
    b: A tree like it.
    t: A number; 0 gives `a`, 1 gives `b`.
    base: The centre, a tree like both; zero if it is not given. For task
      vectors, the model that both were tuned from.
    scope: 'leaf', an angle for each leaf, or 'tree', one for all.

  Returns:
    A tree in the dtypes of `a`, computed in float32 or wider. Leaves that are
    not floating-point are those of `a`, and of the others.

  Raises:
    ValueError: If `t` is not a scalar, `scope` is unknown, or the trees differ.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> a, b = {'w': jnp.array([1.0, 0.0])}, {'w': jnp.array([0.0, 2.0])}
    >>> [round(float(x), 5) for x in averaging.slerp(a, b, 0.25)['w']]
    [0.92388, 0.76537]

  References:
    Shoemake, 1985, Animating rotation with quaternion curves,
    https://doi.org/10.1145/325165.325242. Rame et al, 2024, WARP,
    https://arxiv.org/abs/2406.16768, for task vectors.
  """
  if scope not in ('leaf', 'tree'):
    raise ValueError(f"`scope` must be 'leaf' or 'tree', got {scope!r}.")
  _check(a, b, t, 'slerp: b, beside a')
  starts, ends = trees.floating(a), trees.floating(b)
  centre = {n: jnp.zeros_like(x) for n, x in starts.items()}
  if base is not None:
    _ingredients.check_alike(a, base, 'slerp: base, beside a')
    centre = trees.floating(base)
  wide = {n: trees.widen(x) for n, x in centre.items()}
  u = {n: trees.widen(x) - wide[n] for n, x in starts.items()}
  v = {n: trees.widen(x) - wide[n] for n, x in ends.items()}
  products = {n: _products(u[n], v[n]) for n in u}
  if scope == 'tree':
    products = dict.fromkeys(u, _total(list(products.values())))
  moved = {
    name: (wide[name] + _arc(u[name], v[name], t, products[name])).astype(
      x.dtype
    )
    for name, x in starts.items()
  }
  return trees.replace(a, moved)


def between(a: jax.Array, b: jax.Array, t: Scalar) -> jax.Array:
  """Returns (1 - t) a + t b, exact at both ends and where a = b."""
  t = jnp.asarray(t).astype(a.dtype)
  # Counted from the nearer end; both forms have the derivative b - a in t.
  return jnp.where(t < 0.5, a + t * (b - a), b - (1 - t) * (b - a))


def unit_interval(name: str, value: Scalar) -> None:
  """Raises ValueError unless `value` lies in [0, 1]; not under `jit`."""
  if not isinstance(value, jax.core.Tracer) and not 0 <= value <= 1:
    raise ValueError(f'`{name}` must lie in [0, 1], got {value}.')


class _Products(NamedTuple):
  """u.u, v.v and u.v."""

  uu: jax.Array
  vv: jax.Array
  uv: jax.Array


def _products(u: jax.Array, v: jax.Array) -> _Products:
  return _Products(jnp.sum(u * u), jnp.sum(v * v), jnp.sum(u * v))


def _total(products: list[_Products]) -> _Products:
  """Returns the products of whole trees, in the widest dtype of a leaf."""
  dtype = functools.reduce(jnp.promote_types, [p.uu.dtype for p in products])
  add = lambda *xs: sum(x.astype(dtype) for x in xs)
  return jax.tree.map(add, *products)


def _arc(
  u: jax.Array, v: jax.Array, t: Scalar, products: _Products
) -> jax.Array:
  """Returns the point on the arc, or on the line if there is no arc."""
  uu, vv, uv = products
  t = jnp.asarray(t).astype(uu.dtype)
  # A derivative must not see 0 / 0 or the ends of arccos, even where the other
  # branch is taken; so each is kept away from them before, not after.
  is_vector = (uu > 0) & (vv > 0)
  lengths = jnp.sqrt(jnp.where(is_vector, uu, 1)) * jnp.sqrt(
    jnp.where(is_vector, vv, 1)
  )
  cosine = uv / lengths
  # For sin(Omega) below this, arc and line differ by less than rounding does.
  flat = 1 - cosine * cosine < jnp.finfo(uu.dtype).eps
  curved = is_vector & ~flat
  angle = jnp.arccos(jnp.where(curved, cosine, 0))
  of_u = jnp.where(curved, jnp.sin((1 - t) * angle) / jnp.sin(angle), 1 - t)
  of_v = jnp.where(curved, jnp.sin(t * angle) / jnp.sin(angle), t)
  return of_u.astype(u.dtype) * u + of_v.astype(u.dtype) * v


def _check(a: base.Params, b: base.Params, t: Scalar, what: str) -> None:
  if jnp.shape(t):
    raise ValueError(
      f'`t` must be a scalar, got an array of shape {jnp.shape(t)}; use '
      '`jax.vmap` for many.'
    )
  _ingredients.check_alike(a, b, what)
