"""What RegMean must know of a kernel: the products of its inputs."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from paramspace import trees


def grams(
  inputs: Mapping[str, jax.Array], mask: jax.Array | None = None
) -> dict[str, jax.Array]:
  r"""Returns G = X^T X / rows for each kernel.

  Means of equal batches may be averaged.

  Args:
    inputs: By kernel, what it is multiplied with, `[..., in]`, as
      `layer_inputs` finds it.
    mask: Which rows count, `[...]`, such as those of tokens that are no
      padding; all if it is not given. For kernels whose inputs have these
      leading axes.

  Returns:
    By kernel, `[in, in]`, in float32 or wider.

  Raises:
    ValueError: If the mask does not fit an input.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> x = jnp.array([[1.0, 2.0], [3.0, 0.0]])
    >>> merging.grams({'w': x})['w'].tolist()
    [[5.0, 1.0], [1.0, 2.0]]

  Note: The authors' code counts padding too, which is `mask=None`.

  References:
    Jin et al, 2022, Dataless Knowledge Fusion by Merging Weights of Language
    Models, https://arxiv.org/abs/2212.09849, Section 3.
  """
  found = {}
  for name, x in inputs.items():
    x = trees.widen(x)
    rows = x.reshape(-1, x.shape[-1])
    count = len(rows)
    if mask is not None:
      if mask.shape != x.shape[:-1]:
        raise ValueError(
          f'`mask` has shape {list(mask.shape)}, but the inputs of {name!r} '
          f'have {list(x.shape)}; it should have all their axes but the last.'
        )
      kept = mask.reshape(-1, 1).astype(bool)
      rows = jnp.where(kept, rows, 0)
      count = jnp.maximum(jnp.sum(kept), 1).astype(rows.dtype)
    product = jnp.matmul(rows.T, rows, precision=jax.lax.Precision.HIGHEST)
    found[name] = product / count
  return found
