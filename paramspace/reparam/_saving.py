"""Coordinates on disk: `d` numbers and a key, the basis is drawn again."""

import os
import pathlib
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees

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
  zero = jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), params)
  total = jnp.zeros(PARTS)
  for name, x in trees.floating(rp.apply(zero, probe, frozen)).items():
    x = jnp.pad(x.ravel(), (0, -x.size % PARTS)).reshape(PARTS, -1)
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
    with np.load(path, allow_pickle=False) as file:
      saved = dict(file)
    key = jax.random.wrap_key_data(saved['key'], impl=str(saved['impl']))
  except (ValueError, KeyError, EOFError, OSError) as error:
    if isinstance(error, FileNotFoundError):
      raise
    raise ValueError(
      f'{path} does not hold saved coordinates: {error}. Write it with '
      '`reparam.save`.'
    ) from error
  start, frozen = jax.jit(rp.init)(key, params)
  z = {n[2:]: jnp.asarray(x) for n, x in saved.items() if n[:2] == 'z/'}
  trees.check_same(trees.named(start), z, f'{path}: z')
  z = trees.replace(start, z)
  found = np.asarray(
    jax.jit(fingerprint, static_argnums=0)(rp, params, z, frozen)
  )
  want = saved['fingerprint']
  if not np.allclose(found, want, rtol=0, atol=RTOL * np.abs(want).max()):
    raise ValueError(
      f'{path}: the basis drawn here is not the one that was saved '
      f'(fingerprint {found[:3]}..., saved {want[:3]}...). The method, its settings, the '
      "shapes of the parameters or JAX's random numbers differ from those at "
      'the time of saving.'
    )
  return z, frozen
