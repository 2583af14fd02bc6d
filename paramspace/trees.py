"""Naming, checking and rebuilding parameter trees."""

import difflib
import re
import zlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base

Pattern = str | Callable[[str, jax.Array], bool]


def leaf_names(tree: base.Params) -> list[str]:
  """Returns '/'-joined leaf paths, in the order of `jax.tree.leaves`.

  >>> leaf_names({'Dense_0': {'kernel': 0.0, 'bias': 0.0}})
  ['Dense_0/bias', 'Dense_0/kernel']
  """
  paths = jax.tree_util.tree_leaves_with_path(tree)
  return [jax.tree_util.keystr(p, simple=True, separator='/') for p, _ in paths]


def named(tree: base.Params) -> dict[str, jax.Array]:
  """Returns the leaves of `tree` by name.

  Raises:
    ValueError: If two leaves have the same name, as in `{'a/b': 0, 'a': {'b':
      0}}`.
  """
  names = leaf_names(tree)
  if len(set(names)) < len(names):
    twice = sorted({n for n in names if names.count(n) > 1})
    raise ValueError(f'Two leaves have the same name: {twice[:3]}; rename one.')
  return dict(zip(names, jax.tree.leaves(tree), strict=True))


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """Returns nested dicts, of which `named` gives the leaves back.

  Raises:
    ValueError: If one name goes on where another ends.

  >>> nested({'Dense_0/bias': 0.0, 'Dense_0/kernel': 1.0})
  {'Dense_0': {'bias': 0.0, 'kernel': 1.0}}
  """
  tree = {}
  for name, leaf in leaves.items():
    *folders, last = name.split('/')
    at = tree
    for folder in folders:
      at = at.setdefault(folder, {})
      if not isinstance(at, dict):
        raise ValueError(f'{name!r} lies within another leaf; rename one.')
    if last in at:
      raise ValueError(f'{name!r} is the name of a leaf and of a folder.')
    at[last] = leaf
  return tree


def is_floating(leaf: jax.Array) -> bool:
  """Whether a leaf is trained at all; integers, booleans and keys are not."""
  return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def floating(tree: base.Params) -> dict[str, jax.Array]:
  """Returns the floating-point leaves of `tree` by name.

  Raises:
    ValueError: If there is none.
  """
  leaves = {name: x for name, x in named(tree).items() if is_floating(x)}
  if not sum(x.size for x in leaves.values()):
    raise ValueError(
      'The tree has no floating-point parameters; it holds '
      f'{leaf_names(tree)[:5] or "no leaves"}. Pass the parameters alone, for '
      "example `variables['params']`."
    )
  return leaves


def replace(tree: base.Params, leaves: Mapping[str, jax.Array]) -> base.Params:
  """Returns `tree` with the leaves named in `leaves` replaced.

  Raises:
    ValueError: If one of them is not in the tree.

  >>> replace({'a': 1.0, 'b': 2.0}, {'b': 3.0})
  {'a': 1.0, 'b': 3.0}
  """
  old = named(tree)
  for name in leaves:
    if name not in old:
      raise ValueError(
        f'There is no leaf {name!r} to replace; near misses: '
        f'{nearest(name, list(old))}.'
      )
  new = [leaves.get(n, x) for n, x in old.items()]
  return jax.tree.unflatten(jax.tree.structure(tree), new)


def match(tree: base.Params, pattern: Pattern) -> list[str]:
  """Returns the names of the leaves that `pattern` selects.

  Args:
    tree: A tree.
    pattern: A regular expression that must match the whole name, or a predicate
      `(name, leaf) -> bool`.

  Returns:
    One name or more.

  Raises:
    ValueError: If there is none; lists the names that are most like it.

  >>> match({'a': {'kernel': 0.0, 'bias': 0.0}}, '.*/kernel')
  ['a/kernel']
  """
  leaves = named(tree)
  if callable(pattern):
    found = [n for n, x in leaves.items() if pattern(n, x)]
  else:
    found = [n for n in leaves if re.fullmatch(pattern, n)]
  if not found:
    raise ValueError(
      f'The pattern {pattern!r} matches no leaf that an earlier one left; '
      f'near misses: {nearest(str(pattern), list(leaves))}. It must match the '
      'whole name.'
    )
  return found


def key_for(key: base.PRNGKey, name: str) -> base.PRNGKey:
  """Returns the PRNG key of the leaf `name`, a function of the two alone.

  Adding or reordering leaves does not change the keys of the others. CRC-32,
  because Python's `hash(str)` differs between processes.
  """
  return jax.random.fold_in(key, tag(name))


def tag(name: str) -> np.uint32:
  """Returns the number by which `key_for` folds a name into a key."""
  return np.uint32(zlib.crc32(name.encode()))


def widen(x: jax.Array) -> jax.Array:
  """Returns `x` in the dtype of its arithmetic, float32 or wider."""
  narrow = jnp.finfo(x.dtype).bits < 32
  return x.astype(jnp.float32) if narrow else x


def shift(params: base.Params, deltas: Mapping[str, jax.Array]) -> base.Params:
  """Returns `params + deltas`, added in float32 or wider and cast once.

  Args:
    params: A tree.
    deltas: By leaf name, arrays of the leaves' shapes; other leaves stay.

  Returns:
    A tree with the dtypes of `params`.
  """

  def add(x, delta):
    return (widen(x) + delta.astype(widen(x).dtype)).astype(x.dtype)

  leaves = named(params)
  return replace(params, {n: add(leaves[n], d) for n, d in deltas.items()})


def cast(tree: base.Params, like: base.Params) -> base.Params:
  """Returns `tree` in the dtypes of `like`.

  Args:
    tree: A tree.
    like: A tree of the same leaves and shapes.

  Raises:
    ValueError: Naming the leaves that differ.

  >>> cast({'w': jnp.ones(2)}, {'w': jnp.ones(2, jnp.bfloat16)})['w'].dtype
  dtype(bfloat16)
  """
  wanted = check_shapes(tree, like, 'the tree that gives the dtypes')
  narrow = {n: x.astype(wanted[n].dtype) for n, x in floating(tree).items()}
  return replace(tree, narrow)


def size(tree: base.Params) -> int:
  """Returns the number of scalars in `tree`."""
  return sum(x.size for x in jax.tree.leaves(tree))


def check_same(a: base.Params, b: base.Params, what: str) -> None:
  """Raises unless `a` and `b` agree in structure, shapes and dtypes.

  Args:
    a: The tree that is expected.
    b: The tree that was given.
    what: What the trees are, for the message.

  Raises:
    ValueError: Naming the leaves that differ.
  """
  got = check_shapes(a, b, what)
  for name, x in named(a).items():
    if x.dtype != got[name].dtype:
      raise ValueError(_differs(what, name, x, got[name]))


def check_shapes(
  a: base.Params, b: base.Params, what: str
) -> dict[str, jax.Array]:
  """Raises unless `a` and `b` agree in structure and shapes.

  Args:
    a: The tree that is expected.
    b: The tree that was given; its dtypes may be others, but they are floating
      where those of `a` are.
    what: What the trees are, for the message.

  Returns:
    The leaves of `b` by name.

  Raises:
    ValueError: Naming the leaves that differ.
  """
  want, got = named(a), named(b)
  if want.keys() != got.keys():
    raise ValueError(
      f'{what}: the trees have different leaves. Missing: '
      f'{sorted(want.keys() - got.keys())[:5]}; unexpected: '
      f'{sorted(got.keys() - want.keys())[:5]}.'
    )
  for name, x in want.items():
    y = got[name]
    if x.shape != y.shape or is_floating(x) != is_floating(y):
      raise ValueError(_differs(what, name, x, y))
  return got


def check_carried(a: base.Params, b: base.Params, what: str) -> None:
  """Raises unless leaves that are not floating-point are the same in both.

  They have no average and no delta: what is made of two trees has them as they
  are.

  Args:
    a: A tree.
    b: A tree of the same leaves.
    what: What the trees are, for the message.

  Raises:
    ValueError: Naming the leaf; values are not known under `jit`.
  """
  given = named(b)
  for name, x in named(a).items():
    y = given[name]
    if is_floating(x) or _unknown(x) or _unknown(y):
      continue
    if x.dtype != y.dtype or not np.array_equal(_plain(x), _plain(y)):
      raise ValueError(
        f'{what}: leaf {name!r} is not floating-point, but its values differ; '
        'leave it out or make them equal.'
      )


def _unknown(x: jax.Array) -> bool:
  """Whether there are no values yet."""
  return isinstance(x, jax.core.Tracer | jax.ShapeDtypeStruct)


def _plain(x: jax.Array) -> jax.Array:
  """Returns what can be compared."""
  is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
  return jax.random.key_data(x) if is_key else x


def _differs(what: str, name: str, x: jax.Array, y: jax.Array) -> str:
  return (
    f'{what}: leaf {name!r} should be {x.dtype}{list(x.shape)}, got '
    f'{y.dtype}{list(y.shape)}.'
  )


def nearest(name: str, names: list[str], n: int = 3) -> list[str]:
  """Returns the `n` of `names` that look most like `name`."""
  return difflib.get_close_matches(name, names, n=n, cutoff=0.0)
