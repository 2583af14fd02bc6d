import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace import probes

T = jnp.linspace(0, 1, 5)


def path(*values, t=T):
  return probes.Path(t, jnp.asarray(values))


# By hand: ends 1 and 3, and a hump of 4 at t = 1/4, where the chord is at 1.5.
@pytest.mark.parametrize(
  ('kind', 'height'),
  [('chord', 2.5), ('mean', 2.0), ('ends', 1.0), ('midpoint', -0.5)],
)
def test_every_kind_on_a_curve_made_by_hand(kind, height):
  hump = path(1.0, 4.0, 1.5, 2.0, 3.0)
  assert float(probes.barrier(hump, kind)) == height
  assert float(jax.jit(lambda p: probes.barrier(p, kind))(hump)) == height


def test_the_default_is_the_chord():
  assert float(probes.barrier(path(1.0, 4.0, 1.5, 2.0, 3.0))) == 2.5


@pytest.mark.parametrize(
  ('kind', 'height'), [('chord', 0), ('mean', 1), ('ends', 0), ('midpoint', 0)]
)
def test_a_straight_rise_is_a_barrier_to_the_mean_only(kind, height):
  assert float(probes.barrier(path(1.0, 1.5, 2.0, 2.5, 3.0), kind)) == height


@pytest.mark.parametrize('kind', ['chord', 'mean', 'ends', 'midpoint'])
def test_of_a_score_the_drop_is_the_barrier(kind):
  x = jnp.array([0.75, 0.5, 0.25, 0.5, 0.875])
  loss = probes.barrier(probes.Path(T, 1 - x), kind)
  score = probes.barrier(probes.Path(T, x), kind, higher_is_better=True)
  assert float(score) == float(loss) > 0


def test_scores_are_named_by_a_pattern():
  x = jnp.array([0.75, 0.5, 0.25, 0.5, 0.75])
  values = {n: {'loss': 1 - x, 'accuracy': x} for n in ('train', 'test')}
  found = probes.barrier(probes.Path(T, values), higher_is_better='.*/accuracy')
  assert jax.tree.leaves(found) == [0.5] * 4
  with pytest.raises(ValueError, match=r"'acc'.*near misses"):
    probes.barrier(probes.Path(T, values), higher_is_better='acc')


def test_counts_and_narrow_values_are_subtracted_in_float32():
  errors = probes.barrier(path(1, 900, 2**20, 3, 2))
  assert errors.dtype == jnp.float32
  assert float(errors) == 2**20 - 1.5
  narrow = path(1.0, 1.5, 1.0, 1.0, 1.0)
  narrow = narrow._replace(values=narrow.values.astype(jnp.bfloat16))
  assert probes.barrier(narrow).dtype == jnp.float32


def test_what_is_not_a_number_is_not_hidden():
  for kind in ('chord', 'mean', 'ends'):
    broken = path(1.0, jnp.nan, 1.0, 1.0, 1.0)
    assert np.isnan(probes.barrier(broken, kind))


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda: probes.barrier(path(*T), 'max'), "one of .*got 'max'"),
    (lambda: probes.barrier(T), 'a Path, from `line` or `curve`'),
    (lambda: probes.barrier(path(1.0, 2.0, 3.0)), r'\[3\], its t \[5\]'),
    (
      lambda: probes.barrier(path(*T, t=jnp.linspace(0, 0.5, 5))),
      'from 0.0 to 0.5',
    ),
    (
      lambda: probes.barrier(
        path(1.0, 2.0, 2.0, 1.0, t=jnp.linspace(0, 1, 4)), 'midpoint'
      ),
      'path of 4 steps',
    ),
    (
      lambda: probes.barrier(
        path(1.0, 2.0, 1.0, t=jnp.array([0, 0.25, 1])), 'midpoint'
      ),
      'path of 3 steps does not have',
    ),
  ],
)
def test_bad_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call()
