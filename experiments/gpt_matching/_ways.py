"""Ways to bring one language model near to another, of one function each."""

from collections.abc import Callable
from typing import NamedTuple

from experiments.gpt_matching import _bench
from paramspace import base
from paramspace import matching
from paramspace import symmetry


class Ends(NamedTuple):
  """Two models in one form, near to each other.

  Attributes:
    form: Which.
    a: The first.
    b: The second, moved: the function is its own.
  """

  form: _bench.Form
  a: base.Params
  b: base.Params


Way = Callable[[base.PRNGKey, _bench.Bench, base.Params, base.Params], Ends]


def none(key, bench, a, b) -> Ends:
  """Returns the models as they were trained."""
  del key
  return Ends(bench.trained, a, b)


def permuted(key, bench, a, b) -> Ends:
  """Permutes heads, units within heads, hidden units and the stream."""
  return _matched(key, bench.trained, bench.trained.spec, a, b)


def permuted_still(key, bench, a, b) -> Ends:
  """Permutes all but the stream."""
  spec = bench.trained.spec
  name = _bench.stream(spec)
  still = {name: spec.groups[name]._replace(moves=False)}
  spec = spec._replace(groups=dict(spec.groups) | still)
  return _matched(key, bench.trained, spec, a, b)


def folded(key, bench, a, b) -> Ends:
  """Returns the models with their norms folded, and nothing moved."""
  del key
  fold = lambda params: _bench.fold(bench.trained.spec, params)
  return Ends(bench.folded, fold(a), fold(b))


def rotated(key, bench, a, b) -> Ends:
  """Rotates the stream, and permutes the rest, in turn."""
  ends = folded(key, bench, a, b)
  return _rotated(ends, [_bench.stream(bench.folded.spec)])


def rotated_heads(key, bench, a, b) -> Ends:
  """Rotates within heads too, each of those between queries and keys."""
  spec = bench.folded.spec
  inner = [name for name, group in spec.groups.items() if group.over]
  ends = folded(key, bench, a, b)
  return _rotated(ends, [_bench.stream(spec), *inner])


WAYS: dict[str, Way] = {
  way.__name__: way
  for way in (none, permuted_still, permuted, folded, rotated, rotated_heads)
}
# Those whose lines are measured after REPAIR too.
REPAIRED = ('none', 'permuted', 'rotated_heads')


def _matched(key, form, spec, a, b):
  match = matching.weight_matching(key, spec, a, b)
  return Ends(form, a, symmetry.act(spec, match.element, b))


def _rotated(ends, groups):
  spec, still = ends.form.spec, r'.*/RMSNorm_\d+/scale'
  found = matching.orthogonal(spec, ends.a, ends.b, groups, still=still)
  b = symmetry.act(spec, found.element, ends.b)
  names = [name for name in spec.leaves if '/RMSNorm_' in name]
  return ends._replace(b=matching.rotate(spec, found.rotations, b, names))
