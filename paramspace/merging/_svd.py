"""Singular value decompositions, one after another."""

import jax
import jax.numpy as jnp


def svd(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Returns the thin U, S, V^T of matrices `[..., in, out]`.

  On CPU, jaxlib 0.10 deals the matrices of one batch out to the threads that
  run the program, and one of them waits for the others: two batches at once,
  such as those of two leaves, wait forever. So there are no batches here, also
  under `vmap`.
  """
  batch = x.shape[:-2]
  parts = jax.lax.map(_one, x.reshape(-1, *x.shape[-2:]))
  return tuple(y.reshape(*batch, *y.shape[1:]) for y in parts)


@jax.custom_batching.sequential_vmap
def _one(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
  return tuple(jnp.linalg.svd(x, full_matrices=False))
