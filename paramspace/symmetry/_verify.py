"""Whether the function stays the same, measured."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.symmetry import _act
from paramspace.symmetry import _blame
from paramspace.symmetry import _element
from paramspace.symmetry import _float64
from paramspace.symmetry import _spec


class Report(NamedTuple):
  """What `verify` measured.

  Attributes:
    errors: The largest relative error of the outputs, for each seed.
    groups: The names of the groups, all of which moved each time.
  """

  errors: tuple[float, ...]
  groups: tuple[str, ...]


def verify(
  apply: Callable[..., Any],
  params: base.Params,
  spec: _spec.Spec,
  *inputs: Any,
  seeds: int = 3,
  tolerance: float = 1e-12,
  jitter: float = 0.01,
) -> Report:
  """Raises if the function changes under random elements, in float64.

  For each seed a random element g that moves every group; the error is

    max |f(g.theta, x) - f(theta, x)| / max |f(theta, x)|,

  the largest over the outputs. Parameters and inputs are taken in float64, and
  parameters are made a little larger, entry by entry, so that a fresh bias of
  zeros hides nothing: a symmetry holds at any parameters.

  Args:
    apply: `(params, *inputs) -> outputs`. What is static is closed over.
    params: The parameters, and batch statistics if `apply` takes them.
    spec: What is to be verified.
    *inputs: Arrays, or trees of them; integers stay what they are.
    seeds: How many elements, from the seeds 0, 1, ...
    tolerance: Of the relative error.
    jitter: How much larger at most, in units of a leaf's root mean square; 0.0
      to take the parameters as they are.

  Returns:
    The errors.

  Raises:
    ValueError: If the function changes: names the groups that change it, the
      leaves they are on and, where it can tell, the leaf at fault. If the
      specification is of another tree, a leaf or an output has NaNs, or the
      function is not deterministic.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import symmetry
    >>> params = {'in': jnp.ones((3, 4)), 'out': jnp.ones((4, 2))}
    >>> apply = lambda p, x: jnp.tanh(x @ p['in']) @ p['out']
    >>> rules = {'in': '_ hidden', 'out': 'hidden _'}
    >>> spec = symmetry.from_rules(params, rules)
    >>> report = symmetry.verify(apply, params, spec, jnp.ones((5, 3)))
    >>> max(report.errors) <= 1e-12, report.groups
    (True, ('hidden',))
  """
  if seeds < 1 or not tolerance > 0 or jitter < 0:
    raise ValueError(
      '`seeds` and `tolerance` must be positive and `jitter` not negative, got '
      f'{seeds}, {tolerance} and {jitter}.'
    )
  _spec.fit(_spec.checked(spec), params)
  with _float64.precision():
    theta = _float64.jittered(params, jitter)
    xs = _float64.widened(inputs)
    run, jaxpr = _float64.compiled(apply, theta, *xs)
    want = run(theta, *xs)
    _float64.check_outputs(want)
    error = lambda moved: _float64.difference(run(moved, *xs), want)
    if not error(theta) <= tolerance:
      raise ValueError(
        'The function gives another output when it is called again; it must be '
        'deterministic for a symmetry to show.'
      )
    drawn = [_drawn(seed, spec) for seed in range(seeds)]
    move = lambda element: _moved(spec, element, theta)
    errors = [error(move(element)) for element in drawn]
    if not max(errors) <= tolerance or np.isnan(errors).any():
      whole = drawn[int(np.argmax(errors))]
      found = _blame.blamed(spec, theta, whole, move, error, tolerance)
      raise ValueError(
        f'The function changes by {max(errors):.1e}, more than {tolerance:.0e}.'
        f' {found}{_float64.hints(jaxpr)}'
      )
  return Report(tuple(errors), tuple(_element.shapes(spec)))


def _moved(spec, element, theta):
  """Returns what `act` does, on the host: parameters are there."""
  leaves = _spec.fit(spec, theta)
  return trees.replace(
    theta,
    {n: _act.act_on_leaf(spec, element, n, x) for n, x in leaves.items()},
  )


def _drawn(seed: int, spec: _spec.Spec) -> _element.Element:
  """Returns a random element in which every permutation moves something.

  By chance a group of two would stay as it is every other time. On the host: a
  program for each shape takes longer than all the rest.
  """
  rng = np.random.default_rng(seed)
  return {n: _moving(rng, shape) for n, shape in _element.shapes(spec).items()}


def _moving(rng, shape):
  still = np.arange(shape[-1], dtype=np.int32)
  x = rng.permuted(np.broadcast_to(still, shape), axis=-1)
  stays = (x == still).all(-1, keepdims=True)
  return np.where(stays, np.roll(still, 1), x)
