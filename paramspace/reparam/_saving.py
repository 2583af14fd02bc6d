"""Coordinates on disk: `d` numbers and a key, the basis is drawn again."""

import os
import pathlib
import zipfile
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees

UNREADABLE = (
  EOFError,
  KeyError,
  OSError,
  TypeError,
  ValueError,
  zipfile.BadZipFile,
)
PARTS = 8
RTOL = 1e-3  # Of the largest entry: devices differ in the order of their sums.


def fingerprint(
  rp: base.Reparam, params: base.Params, z: Any, frozen: Any
) -> jax.Array:
  """Returns 8 numbers that change when the draw, or its use, changes.

  The map is applied to a fixed probe, and of what it adds to each leaf the sums
  over eighths of the leaf are taken, weighted by a hash of the leaf's name. A
  PRNG of another kind or version, another order of keys, another shape or
  method gives other numbers.

  Args:
    rp: A reparameterization.
    params: The parameters at the origin.
    z: Coordinates; their structure counts, their values do not.
    frozen: The frozen part.

  Returns:
    float32 `[8]`.
  """
  cosine = lambda x: jnp.cos(jnp.arange(x.size, dtype=jnp.float32) + 1)
  probe = jax.tree.map(lambda x: cosine(x).reshape(x.shape).astype(x.dtype), z)
  leaves = trees.floating(params)
  zero = {n: jnp.zeros(x.shape, x.dtype) for n, x in leaves.items()}
  zero = trees.replace(params, zero)
  total = jnp.zeros(PARTS)
  for name, x in trees.floating(rp.apply(zero, probe, frozen)).items():
    x = jnp.pad(x.ravel().astype(jnp.float32), (0, -x.size % PARTS))
    x = x.reshape(PARTS, x.size // PARTS)
    total = total + x.sum(1) * (1 + zlib.crc32(name.encode()) / 2**32)
  return total


def save(
  path: str | os.PathLike,
  rp: base.Reparam,
  key: base.PRNGKey,
  params: base.Params,
  z: Any,
) -> None:
  """Writes `z`, the key of its basis and the basis's fingerprint.

  Args:
    path: A `.npz` file, replaced as a whole.
    rp: The reparameterization.
    key: The key that `init` was called with.
    params: The parameters at the origin; they are not written.
    z: The coordinates.
  """
  start, frozen = jax.jit(rp.init)(key, params)
  trees.check_same(start, z, 'save: z')
  path = pathlib.Path(path)
  part = path.with_name(path.name + '.part')
  with part.open('wb') as file:
    np.savez(
      file,
      key=jax.random.key_data(key),
      impl=str(jax.random.key_impl(key)),
      fingerprint=jax.jit(fingerprint, static_argnums=0)(rp, params, z, frozen),
      **{f'z/{name}': x for name, x in trees.named(z).items()},
    )
  part.replace(path)


def load(
  path: str | os.PathLike, rp: base.Reparam, params: base.Params
) -> tuple[Any, Any]:
  """Reads coordinates and draws their basis again.

  Args:
    path: A file that `save` wrote.
    rp: The reparameterization it was written with.
    params: The parameters at the origin.

  Returns:
    `(z, frozen)`.

  Raises:
    ValueError: If the file is not one of `save`, `z` is not that of `rp`, or
      the basis drawn here is not the one that was saved.
  """
  try:
    with open(path, 'rb') as file, np.load(file, allow_pickle=False) as arrays:
      saved = dict(arrays)
    want = saved['fingerprint']
    key = jax.random.wrap_key_data(saved['key'], impl=str(saved['impl']))
  except FileNotFoundError:
    raise
  except UNREADABLE as error:
    raise ValueError(
      f'{path} does not hold saved coordinates: {error}. Write it with '
      '`reparam.save`.'
    ) from error
  start, frozen = jax.jit(rp.init)(key, params)
  z = {n[2:]: x for n, x in saved.items() if n[:2] == 'z/'}
  for name, x in trees.named(start).items():  # numpy has no name for bfloat16
    if name in z and z[name].dtype == f'V{x.dtype.itemsize}':
      z[name] = z[name].view(x.dtype)
  trees.check_same(trees.named(start), z, f'{path}: z')
  z = trees.replace(start, jax.tree.map(jnp.asarray, z))
  found = np.asarray(
    jax.jit(fingerprint, static_argnums=0)(rp, params, z, frozen)
  )
  if not np.allclose(found, want, rtol=0, atol=RTOL * np.abs(want).max()):
    raise ValueError(
      f'{path}: the basis drawn here is not the one that was saved '
      f'(fingerprint {found[:3]}..., saved {want[:3]}...). The method, its '
      "settings, the shapes of the parameters or JAX's random numbers differ "
      'from those at the time of saving.'
    )
  return z, frozen
