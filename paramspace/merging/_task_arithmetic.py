"""The sum of deltas."""

import jax

from paramspace import base
from paramspace.merging import _config
from paramspace.merging import _stack


@_config.recorded
def task_arithmetic(scale: float | jax.Array = 1.0) -> base.Recipe:
  r"""theta = base + scale sum_i w_i delta_i.

  A negative weight, or scale, negates a task: the model unlearns it.

  Args:
    scale: lambda. The paper tunes it on a validation split; 0.3 is usual for
      eight tasks.

  Returns:
    A recipe.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import merging
    >>> base, tuned = {'w': jnp.ones(1)}, {'a': {'w': jnp.full(1, 3.0)}}
    >>> merging.merge(base, tuned, merging.task_arithmetic(-0.5))['w']
    Array([0.], dtype=float32)

  References:
    Ilharco et al, 2022, Editing Models with Task Arithmetic,
    https://arxiv.org/abs/2212.04089, Section 2.
  """
  combine = base.Combine(
    lambda known, leaf: _stack.total(leaf), sums=True, kind=base.alike
  )
  return base.Recipe(combine, scale=scale)
