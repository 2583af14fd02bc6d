"""How high a path rises."""

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import trees
from paramspace.probes import _line

KINDS = ('chord', 'mean', 'ends', 'midpoint')


def barrier(
  path: _line.Path,
  kind: str = 'chord',
  higher_is_better: bool | trees.Pattern = False,
) -> jax.Array:
  r"""Returns the height of the barrier on a path, for every metric.

  Of a loss L, with L_0 and L_1 at the ends, by kind:

    'chord'     max_t L(t) - ((1 - t) L_0 + t L_1)
    'mean'      max_t L(t) - (L_0 + L_1) / 2
    'ends'      max_t L(t) - max(L_0, L_1)
    'midpoint'  L(1/2) - (L_0 + L_1) / 2

  They differ where the ends do: 'mean' is |L_0 - L_1| / 2 for a path that
  rises straight, where 'chord' and 'ends' are 0. The first three are never
  negative; the last one is, where the path falls.

  Args:
    path: From `line` or `curve`, or made by hand.
    kind: Which definition; see References for whose.
    higher_is_better: Which metrics are scores, such as accuracies, of which -L
      is taken: all or none, or a pattern of names as in `trees.match`.

  Returns:
    A tree like the values of the path, of scalars, float32 or wider.

  Raises:
    ValueError: If the kind is unknown, the path does not go from 0 to 1 or has
      no middle where it is needed, or a pattern matches no metric.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> values = {'loss': jnp.array([0.0, 1.0, 0.5])}
    >>> path = probes.Path(jnp.array([0.0, 0.5, 1.0]), values)
    >>> kinds = 'chord', 'mean', 'ends'
    >>> [float(probes.barrier(path, kind)['loss']) for kind in kinds]
    [0.75, 0.75, 0.5]

  References:
    'chord': Entezari et al, 2022, https://arxiv.org/abs/2110.06296, Definition
    1. 'mean': Frankle et al, 2020, https://arxiv.org/abs/1912.05671, the
    instability; Ainsworth et al, 2023, Git Re-Basin,
    https://arxiv.org/abs/2209.04836. 'midpoint': Ito et al, 2025,
    https://arxiv.org/abs/2402.04051.
  """
  if kind not in KINDS:
    raise ValueError(f'`kind` must be one of {KINDS}, got {kind!r}.')
  _check(path, kind)
  scores = _scores(path, higher_is_better)
  t = jnp.asarray(path.t)
  heights = [
    _height(kind, t, -x if name in scores else x)
    for name, x in trees.named(jax.tree.map(_wide, path.values)).items()
  ]
  return jax.tree.unflatten(jax.tree.structure(path.values), heights)


def _height(kind: str, t: jax.Array, x: jax.Array) -> jax.Array:
  start, end = x[0], x[-1]
  if kind == 'midpoint':
    return x[len(t) // 2] - (start + end) / 2
  if kind == 'mean':
    return jnp.max(x) - (start + end) / 2
  if kind == 'ends':
    return jnp.max(x) - jnp.maximum(start, end)
  t = t.astype(x.dtype)
  return jnp.max(x - ((1 - t) * start + t * end))


def _wide(x: jax.Array) -> jax.Array:
  """Returns values to subtract: counts become float32."""
  x = jnp.asarray(x)
  return trees.widen(x if trees.is_floating(x) else x.astype(jnp.float32))


def _scores(path: _line.Path, pattern: bool | trees.Pattern) -> set[str]:
  """Returns the names of the metrics of which more is better."""
  if isinstance(pattern, bool):
    return set(trees.named(path.values)) if pattern else set()
  return set(trees.match(path.values, pattern))


def _check(path: _line.Path, kind: str) -> None:
  if not isinstance(path, _line.Path):
    raise ValueError(
      f'A barrier is that of a Path, from `line` or `curve`; got a '
      f'{type(path).__name__}.'
    )
  t = path.t
  for name, x in trees.named(path.values).items():
    if x.shape != t.shape or x.ndim != 1:
      raise ValueError(
        f'The values {name!r} of the path have the shape {list(x.shape)}, its '
        f't {list(t.shape)}; both must be [steps]. For many paths, `jax.vmap`.'
      )
  known = not isinstance(t, jax.core.Tracer)
  if known and (t[0] != 0 or t[-1] != 1):
    raise ValueError(
      f'A barrier needs a path from t = 0 to 1, this one goes from {t[0]} to '
      f'{t[-1]}.'
    )
  middle = len(t) % 2 and (not known or np.asarray(t)[len(t) // 2] == 0.5)
  if kind == 'midpoint' and not middle:
    raise ValueError(
      f"'midpoint' needs a point at t = 1/2, which this path of {len(t)} steps "
      'does not have; take an odd number.'
    )
