"""Scales of normalisations folded into the kernels behind them."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import base
from paramspace import symmetry
from paramspace import trees


class Norm(NamedTuple):
  """A normalisation of the residual stream.

  Attributes:
    scale: The name of its scale, `[d]`.
    readers: By kernel that reads what it returns, the name of the bias of the
      same layer; None for a layer without one.
    bias: The name of its own bias, `[d]`; None for an RMSNorm.
  """

  scale: str
  readers: Mapping[str, str | None]
  bias: str | None = None


def fold_norms(
  spec: symmetry.Spec,
  group: str,
  params: base.Params,
  norms: Sequence[Norm],
  centered: Collection[str] = (),
) -> base.Params:
  r"""Returns the same function with scales of 1 and biases of 0 in its norms.

  RMSNorm(x) g W = RMSNorm(x) W' with W' = diag(g) W. Then a rotation of the
  residual stream passes through the norm, which `orthogonal` needs.

  A LayerNorm is one of a centred stream: with M = I - 1 1^T / d,
  LayerNorm(x) = RMSNorm(x M) diag(g) + c. So what writes to the stream is
  multiplied by M, g goes into the kernels, which read only what is centred, and
  c W into their biases. The norm may then be of either kind, and stay a
  LayerNorm after a rotation that leaves the vector of ones where it is, as the
  best one between two such models does.

  Args:
    spec: A specification.
    group: That of the residual stream, which tells which axes lie along it.
    params: A tree.
    norms: Those whose scales are folded. Every kernel that reads from a norm
      must be named: a scale that is folded is gone for all.
    centered: The leaves that write to the stream, for LayerNorm; all, with
      embeddings and biases.

  Returns:
    A tree like `params`.

  Raises:
    ValueError: If a leaf is not there, does not lie on the stream, or a norm
      has a bias that a layer behind it has no bias to take.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import matching, symmetry
    >>> params = {'scale': jnp.array([2.0, 3.0]), 'up': jnp.ones((2, 1))}
    >>> stream = symmetry.Factor('stream', 2)
    >>> spec = symmetry.Spec(
    ...   {'stream': symmetry.Group(2)},
    ...   {'scale': (stream,), 'up': (stream, symmetry.Factor(None, 1))},
    ... )
    >>> norm = matching.Norm('scale', {'up': None})
    >>> matching.fold_norms(spec, 'stream', params, [norm])['up'].tolist()
    [[2.0], [3.0]]

  Note: A kernel that is tied to the embedding cannot take a scale; untie it
    before.

  References:
    Ashkboos et al, 2024, SliceGPT, https://arxiv.org/abs/2401.15024, Section
    3. Theus et al, 2025, https://arxiv.org/abs/2506.22712.
  """
  symmetry.fit(spec, params)
  axes = _axes(spec, group)
  leaves = {
    n: jnp.asarray(trees.widen(x)) for n, x in trees.floating(params).items()
  }
  for norm in norms:
    _check(axes, leaves, norm)
    scale = leaves[norm.scale]
    for kernel, bias in norm.readers.items():
      old, axis = leaves[kernel], axes[kernel]
      if norm.bias is not None:
        moved = jnp.tensordot(
          leaves[norm.bias],
          old,
          ((0,), (axis,)),
          precision=jax.lax.Precision.HIGHEST,
        )
        leaves[bias] = leaves[bias] + moved
      shape = [1] * old.ndim
      shape[axis] = -1
      leaves[kernel] = old * scale.reshape(shape)
      if centered:
        leaves[kernel] = _centred(leaves[kernel], axis)
    leaves[norm.scale] = jnp.ones_like(scale)
    if norm.bias is not None:
      leaves[norm.bias] = jnp.zeros_like(leaves[norm.bias])
  for name in centered:
    _check_leaf(axes, leaves, name)
    leaves[name] = _centred(leaves[name], axes[name])
  return trees.cast(trees.replace(params, leaves), params)


def _centred(x, axis):
  return x - x.mean(axis, keepdims=True)


def _axes(spec, group):
  """Returns, by leaf on the stream, the axis that lies along it."""
  if group not in spec.groups:
    raise ValueError(
      f'There is no group {group!r}; near misses: '
      f'{trees.nearest(group, list(spec.groups))}.'
    )
  found = {}
  for name, axes in spec.leaves.items():
    on = [
      k
      for k, axis in enumerate(axes)
      if isinstance(axis, symmetry.Factor) and axis.name == group
    ]
    if len(on) == 1:
      found[name] = on[0]
  return found


def _check(axes, leaves, norm):
  own = [norm.scale] + ([] if norm.bias is None else [norm.bias])
  for name in own:
    _check_leaf(axes, leaves, name)
  for kernel, bias in norm.readers.items():
    _check_leaf(axes, leaves, kernel)
    if bias is not None and bias not in leaves:
      raise ValueError(_missing(bias, leaves))
    if norm.bias is not None and bias is None:
      raise ValueError(
        f'{norm.bias!r} has to go into a bias of the layer of {kernel!r}, '
        'which has none; give it one of zeros.'
      )


def _check_leaf(axes, leaves, name):
  if name not in leaves:
    raise ValueError(_missing(name, leaves))
  if name not in axes:
    raise ValueError(
      f'Leaf {name!r} has no axis, or two, on the residual stream.'
    )


def _missing(name, leaves):
  return (
    f'There is no floating-point leaf {name!r}; near misses: '
    f'{trees.nearest(name, list(leaves))}.'
  )
