"""Several models into one."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from paramspace import base as types
from paramspace import deltas
from paramspace import trees
from paramspace.merging import _inputs
from paramspace.merging import _program
from paramspace.merging import _recipe
from paramspace.merging import _rounds
from paramspace.merging import _tied

# Up to so many leaves, those of all models counted, a prune is compiled for
# each model. What it leaves is then combined where it is made. A loop over the
# models stores it, but its program is small, and where a prune looks at leaves
# several times it costs no more. All at once is slower than either on CPU.
FEW = 64


def merge(
  base: types.Params,
  tuned: Mapping[str, types.Params],
  recipe: types.Recipe,
  *,
  weights: Mapping[str, Any] | None = None,
  statistics: Mapping[str, types.Params] | None = None,
  key: types.PRNGKey | None = None,
  out_dtype: jax.typing.DTypeLike | None = None,
  tied: Mapping[str, str] | None = None,
) -> types.Params:
  r"""Returns theta = base + scale combine(prune(theta_1 - base), ...).

  Deltas, and all that is computed of them, are in float32 or wider; the sum is
  cast once. The models are taken in the order of their names, so that the order
  in which they are given changes nothing, to the bit. What is drawn for a leaf
  is a function of the key, the model's name and the leaf's, so that another
  leaf, or another model, does not change it.

  It goes through `jit` and `vmap`, is differentiable in the weights, the
  scale, the statistics and the models, and leaves may be sharded. Outside
  `jit`, one program is compiled for each recipe: make it once, and merge with
  it often.

  Args:
    base: The model that all were tuned from.
    tuned: The models by name.
    recipe: From a factory of this package, such as `ties()`.
    weights: By model, a scalar, or scalars by leaf name; ones if it is not
      given. What they mean, the recipe says. They may be negative.
    statistics: By model, a tree of what the recipe needs to know of it.
    key: For recipes that draw.
    out_dtype: That of the floating-point leaves that are returned; those of
      `base` if it is not given.
    tied: By name, leaves that are copies of another. They are merged once.
      Without it, those are tied that are one object in the base and in every
      model, which under `jit` none are.

  Returns:
    A tree like `base`. Leaves that are not floating-point are those of all.

  Raises:
    ValueError: If a model differs from the base, in leaves, shapes, dtypes or,
      outside `jit`, in values that are not floating-point; if a value is not
      finite, in a model or, too large, in the result; or if the weights, the
      statistics or the key are not what the recipe takes. It names the model
      and the leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base = {'w': jnp.zeros(3)}
    >>> math = {'w': jnp.array([4.0, 2.0, 0.0])}
    >>> code = {'w': jnp.array([2.0, -1.0, 0.0])}
    >>> recipe = merging.ties(density=1.0)
    >>> merging.merge(base, {'math': math, 'code': code}, recipe)['w']
    Array([3., 2., 0.], dtype=float32)
  """
  models = sorted(tuned)
  _inputs.check(base, tuned)
  _recipe.check(recipe, key)
  copies = _tied.find([base, *map(tuned.get, models)], tied)
  origin = _floating(base, copies)
  given = _inputs.weights(weights, models, list(origin))
  known = _inputs.statistics(statistics, models, list(origin))
  for name, x in origin.items():
    stack = jax.ShapeDtypeStruct((len(models), *x.shape), trees.widen(x).dtype)
    leaf = types.Leaf(name, x, stack, given[name], known.get(name))
    recipe.combine.check(leaf)
  if recipe.combine.rounds:
    _inputs.check_size(origin)
  out, finite = _merged(
    recipe.combine,
    _recipe.prunes(recipe, models),
    out_dtype and jnp.dtype(out_dtype),
    _recipe.keys(key, models),
    origin,
    [_floating(tuned[model], copies) for model in models],
    jnp.asarray(recipe.scale),
    given,
    known,
  )
  if not isinstance(finite, jax.core.Tracer) and not finite:
    _inputs.check_finite(base, tuned, out)
  out |= {copy: out[name] for copy, name in copies.items()}
  return trees.replace(base, out)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _merged(
  combine: types.Combine,
  prune: types.Prune | tuple[types.Prune, ...] | None,
  out_dtype: jax.typing.DTypeLike | None,
  keys: types.PRNGKey,
  base: dict[str, jax.Array],
  tuned: list[dict[str, jax.Array]],
  scale: jax.Array,
  weights: dict[str, jax.Array],
  statistics: dict[str, jax.Array],
) -> tuple[dict[str, jax.Array], jax.Array]:
  """Merges in one program, for each recipe and structure.

  Returns:
    The merged leaves, and whether all values are finite, given and merged. If
    not so, some may be so large that their squares are not.
  """
  origin = _program.origin(combine, base)
  moved = [deltas.subtract(tree, origin) for tree in tuned]
  several = isinstance(prune, tuple)
  few = len(moved) * len(origin) <= FEW and not getattr(prune, 'rounds', ())
  apart = several or few
  if prune is not None and apart:
    each = prune if several else [prune] * len(moved)
    moved = [p(*pair) for p, *pair in zip(each, keys, moved, strict=True)]
  stacks = {n: jnp.stack([delta[n] for delta in moved]) for n in origin}
  if prune is not None and not apart:
    stacks = jax.lax.map(lambda each: prune(*each), (keys, stacks))
  leaves = _program.leaves(origin, stacks, weights, statistics)
  known = _rounds.run(combine.rounds, leaves)
  merged = _program.merged(combine, known, leaves)
  out = deltas.add(origin, merged, scale, out_dtype)
  sums = combine.sums and prune is None
  looked_at = [out] if sums else [out, base, *tuned]
  return out, _all_finite(looked_at)


def _all_finite(given: list[dict[str, jax.Array]]) -> jax.Array:
  """Returns whether all sums of squares are finite.

  On CPU, XLA makes a product of vectors five times as fast as a reduction.
  """
  leaves = [
    trees.widen(jax.lax.stop_gradient(x)) for x in jax.tree.leaves(given)
  ]
  squares = [jnp.tensordot(x, x, axes=x.ndim) for x in leaves]
  return jnp.isfinite(jnp.stack([x.astype(jnp.float32) for x in squares])).all()


def _floating(
  params: types.Params, copies: Mapping[str, str]
) -> dict[str, jax.Array]:
  """Returns the leaves that are merged, once each."""
  leaves = trees.floating(params)
  return {n: jnp.asarray(x) for n, x in leaves.items() if n not in copies}
