"""Curves between two models, with bends that can be trained."""

import functools
import math
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramspace import averaging
from paramspace import base
from paramspace import trees
from paramspace.probes import _check
from paramspace.probes import _combination
from paramspace.probes import _evaluate
from paramspace.probes import _line
from paramspace.probes import _settings


class Curve(NamedTuple):
  """A curve theta(t) between two models; a pytree.

  Attributes:
    a: The model at t = 0.
    b: The model at t = 1.
    bends: What the curve bends towards, n of them, in float32 or wider: the
      floating-point leaves by name. `trees.replace(a, bends[k])` is a model.
    settings: Its form, 'bezier' or 'polygon', as `settings['form']`.
  """

  a: base.Params
  b: base.Params
  bends: tuple[dict[str, jax.Array], ...]
  settings: _settings.Settings


def bezier(a: base.Params, b: base.Params, bends: int = 1) -> Curve:
  r"""Returns a Bezier curve of n bends, all on the chord as yet.

    theta(t) = sum_k binomial(n + 1, k) t^k (1 - t)^(n + 1 - k) theta_k,

  with theta_0 = a, theta_{n+1} = b and the bends between; quadratic for n = 1.

  Args:
    a: A tree.
    b: A tree like it.
    bends: n, how many.

  Returns:
    A `Curve`: at first, the straight line.

  Raises:
    ValueError: If the models differ as in `line`, or there is no bend.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> curve = probes.bezier({'w': jnp.zeros(1)}, {'w': jnp.ones(1)})
    >>> bent = curve._replace(bends=({'w': jnp.array([2.5])},))
    >>> [float(probes.point(bent, t)['w'][0]) for t in (0.0, 0.5, 1.0)]
    [0.0, 1.5, 1.0]

  References:
    Garipov et al, 2018, Loss Surfaces, Mode Connectivity, and Fast Ensembling,
    https://arxiv.org/abs/1802.10026, Section 3.
  """
  return _curve('bezier', a, b, bends)


def polygon(a: base.Params, b: base.Params, bends: int = 1) -> Curve:
  r"""Returns a polygonal chain of n bends, all on the chord as yet.

  It goes straight from each of theta_0 = a, the bends, and theta_{n+1} = b to
  the next, and is at theta_k for t = k / (n + 1).

  Args:
    a: A tree.
    b: A tree like it.
    bends: n, how many.

  Returns:
    A `Curve`: at first, the straight line.

  Raises:
    ValueError: If the models differ as in `line`, or there is no bend.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> curve = probes.polygon({'w': jnp.zeros(1)}, {'w': jnp.ones(1)})
    >>> bent = curve._replace(bends=({'w': jnp.array([2.5])},))
    >>> [float(probes.point(bent, t)['w'][0]) for t in (0.25, 0.5, 1.0)]
    [1.25, 2.5, 1.0]

  References:
    Garipov et al, 2018, https://arxiv.org/abs/1802.10026, Section 3.
  """
  return _curve('polygon', a, b, bends)


def point(curve: Curve, t: float | jax.Array) -> base.Params:
  """Returns theta(t), a tree in the dtypes of the models.

  It is computed in float32 or wider, and is the models themselves at t = 0 and
  t = 1, to the bit. It is differentiable in the bends and in t.

  Args:
    curve: From `bezier` or `polygon`.
    t: A scalar in [0, 1].

  Returns:
    A tree. Leaves that are not floating-point are those of both models.

  Raises:
    ValueError: If `t` is not a scalar.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> curve = probes.bezier({'w': jnp.zeros(2)}, {'w': jnp.ones(2)})
    >>> probes.point(curve, 0.25)['w']
    Array([0.25, 0.25], dtype=float32)
  """
  if jnp.shape(t):
    raise ValueError(
      f'`t` must be a scalar, got an array of shape {jnp.shape(t)}; use '
      '`jax.vmap` for many.'
    )
  return _at(curve, jnp.asarray(t, jnp.result_type(float)))


def curve(
  metric: _evaluate.Metric,
  curve: Curve,
  *,
  steps: int = 25,
  data: Any = None,
  prepare: _evaluate.Prepare | None = None,
  batch_size: int | None = None,
) -> _line.Path:
  """Measures points of a curve, evenly spaced in t.

  Args:
    metric: As in `line`.
    curve: From `train_curve`, `bezier` or `polygon`.
    steps: The number of points, both ends among them.
    data: As in `line`.
    prepare: As in `line`.
    batch_size: As in `line`.

  Returns:
    A `Path`, as of `line`.

  Raises:
    ValueError: If an argument is out of its range, or the metric returns what
      is not a scalar.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import probes
    >>> a, b = {'w': jnp.array([-1.0, 0.0])}, {'w': jnp.array([1.0, 0.0])}
    >>> loss = lambda params: (jnp.sum(params['w'] ** 2) - 1) ** 2
    >>> round_about = probes.polygon(a, b)._replace(
    ...   bends=({'w': jnp.array([0.0, 1.0])},)
    ... )
    >>> straight = probes.line(loss, a, b)
    >>> float(probes.barrier(straight))
    1.0
    >>> float(probes.barrier(probes.curve(loss, round_about)))
    0.25
  """
  _check.steps(steps)
  t = _line.unit_grid(steps)
  values = _evaluate.at_points(
    metric,
    point,
    curve,
    t,
    data=data,
    prepare=prepare,
    batch_size=batch_size,
  )
  settings = _settings.Settings(
    probe='curve',
    form=curve.settings['form'],
    bends=len(curve.bends),
    steps=steps,
    prepared=prepare is not None,
  )
  return _line.Path(t, values, settings)


@jax.jit
def _at(curve: Curve, t: jax.Array) -> base.Params:
  weights = WEIGHTS[curve.settings['form']](t, len(curve.bends) + 1)
  rest = [*curve.bends, trees.floating(curve.b)]
  return _combination.mixed(curve.a, rest, weights)


def _curve(form: str, a: base.Params, b: base.Params, bends: int) -> Curve:
  if not isinstance(bends, int) or isinstance(bends, bool) or bends < 1:
    raise ValueError(f'`bends` must be a positive integer, got {bends!r}.')
  _check.alike([a, b], ['a', 'b'])
  on_chord = _on_chord(trees.floating(a), trees.floating(b), bends)
  return Curve(a, b, on_chord, _settings.Settings(form=form))


@functools.partial(jax.jit, static_argnums=2)
def _on_chord(a: dict, b: dict, bends: int) -> tuple[dict, ...]:
  a, b = ({n: trees.widen(x) for n, x in leaves.items()} for leaves in (a, b))
  return tuple(
    averaging.lerp(a, b, k / (bends + 1)) for k in range(1, bends + 1)
  )


def _bezier(t: jax.Array, degree: int) -> jax.Array:
  weights = [
    math.comb(degree, k) * t**k * (1 - t) ** (degree - k)
    for k in range(degree + 1)
  ]
  return jnp.stack(weights)


def _polygon(t: jax.Array, edges: int) -> jax.Array:
  return jnp.maximum(0, 1 - jnp.abs(t * edges - jnp.arange(edges + 1.0)))


WEIGHTS = {'bezier': _bezier, 'polygon': _polygon}
