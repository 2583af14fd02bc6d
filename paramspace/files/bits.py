"""The bits of a leaf, wherever it is, and the way back to a leaf."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees

_KEY = re.compile(r'key<(.+)>')


def named(tree: base.Params) -> dict[str, Any]:
  """Returns the leaves of a tree by name, those of Python as NumPy's.

  Raises:
    TypeError: If a leaf is no number; names it.

  >>> named({'x': 1.5})
  {'x': array(1.5)}
  """
  found = {}
  for name, leaf in trees.named(tree).items():
    found[name] = leaf if hasattr(leaf, 'dtype') else np.asarray(leaf)
    if not is_key(found[name]) and np.dtype(found[name].dtype).kind in 'OUSM':
      raise TypeError(
        f'Leaf {name!r} is {leaf!r}, which is neither an array nor a number; '
        'leave it out of the tree.'
      )
  return found


def is_key(leaf: Any) -> bool:
  """Whether a leaf holds typed PRNG keys."""
  return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def data(leaf: jax.Array) -> jax.Array:
  """Returns a leaf as numbers: of PRNG keys their words, `[*s, words]`.

  The words are not a copy.
  """
  return jax.random.key_data(leaf) if is_key(leaf) else leaf


def dtype_name(leaf: jax.Array | jax.ShapeDtypeStruct) -> str:
  """Returns the name of a leaf's dtype, with the implementation of its keys.

  >>> dtype_name(jnp.zeros(3)), dtype_name(jax.random.key(0, impl='rbg'))
  ('float32', 'key<rbg>')
  """
  if not is_key(leaf):
    return str(np.dtype(leaf.dtype).newbyteorder('='))
  names = []  # JAX tells it of arrays and tracers, but not of their shapes.
  jax.eval_shape(lambda x: names.append(str(jax.random.key_impl(x))), leaf)
  return f'key<{names[0]}>'


def key_implementation(dtype: str) -> str | None:
  """Returns the implementation that a dtype's name has, None if no keys."""
  found = _KEY.fullmatch(dtype)
  return found and found[1]


def words(implementation: str) -> int:
  """Returns the number of words in one PRNG key.

  >>> words('threefry2x32'), words('rbg')
  (2, 4)
  """
  make = lambda: jax.random.key_data(jax.random.key(0, impl=implementation))
  return jax.eval_shape(make).shape[-1]


def number_dtype(dtype: str) -> np.dtype:
  """Returns the dtype of `data` of leaves whose dtype has this name."""
  return np.dtype('uint32' if key_implementation(dtype) else dtype)


def whole(leaf: Any) -> bool:
  """Whether this process can see all of a leaf without asking others."""
  return (
    not isinstance(leaf, jax.Array)
    or leaf.is_fully_addressable
    or leaf.is_fully_replicated
  )


def host(leaf: Any) -> np.ndarray:
  """Returns the numbers of the whole leaf, on every process.

  If the leaf is split over several processes they all have to call this, one
  leaf after another in the same order, and not while a program is running in
  another thread.
  """
  if whole(leaf):
    return np.asarray(leaf)
  from jax.experimental import multihost_utils

  return multihost_utils.process_allgather(leaf, tiled=True)


def to_bytes(x: np.ndarray) -> np.ndarray:
  """Returns the row-major, little-endian bytes of an array, `[nbytes]`.

  >>> to_bytes(np.array([[1, 2], [3, 4]], '>u2', order='F'))
  array([1, 0, 2, 0, 3, 0, 4, 0], dtype=uint8)
  """
  little = x.astype(x.dtype.newbyteorder('<'), order='C', copy=False)
  return little.reshape(-1).view(np.uint8)


def from_bytes(
  buffer: np.ndarray, shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
  """Returns the array of which `buffer` has the bytes; a copy.

  Raises:
    ValueError: If there are more bytes or fewer than it has.
  """
  numbers = buffer.copy().view(dtype.newbyteorder('<'))
  return numbers.astype(dtype, copy=False).reshape(shape)
