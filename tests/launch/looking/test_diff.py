import math

import pytest

from paramspace.launch import errors
from paramspace.launch.looking import diff
from paramspace.launch.looking import directory as directories


@pytest.fixture
def other(place, tmp_path):
  return type(place)(tmp_path / 'other')


def compare(place, other):
  return diff.sweeps(*(directories.look(p.path) for p in (place, other)))


def test_two_points_differ_in_some_keys(place, look):
  a = place.finish(result={'loss': 0.5, 'curve': [1, 2]})
  b = place.finish(result={'loss': 0.25, 'best': 1}, rate=0.2, extra='x')
  found = diff.points(directories.look(place.path), a.name, b.name)
  assert found.config == {'rate': (0.1, 0.2), 'extra': ('-', 'x')}
  assert found.results == {
    'status': ('done', 'done'),
    'loss': (0.5, 0.25),
    'curve.0': (1, '-'),
    'curve.1': (2, '-'),
    'best': ('-', 1),
  }
  code, out, _ = look('diff', a.name[:8], b.name[:8])
  assert code == errors.DONE
  (line,) = (x for x in out.splitlines() if ' loss ' in x)
  assert '0.5' in line and '0.25' in line


def test_a_point_without_a_result_has_its_config(place):
  a, b = place.begin(), place.begin(seed=1)
  found = diff.points(directories.look(place.path), a.name, b.name)
  assert found == ({'seed': (0, 1)}, {})


def test_equal_sweeps_are_exit_0(place, other, look):
  for where in place, other:
    where.finish(result={'loss': 0.1, 'bad': math.nan, 'top': math.inf})
  assert compare(place, other) == ((0, 0), 0, 1, {})
  code, out, _ = look('diff', other.path)
  assert code == errors.DONE
  assert out.startswith('1 equal, 0 different')


def test_the_number_that_differs_most_is_named(place, other, look):
  a = place.finish(result={'loss': 0.5, 'steps': 3})
  other.finish(result={'loss': 0.75, 'steps': 3})
  assert compare(place, other).different == {a.name: ('loss', 0.25)}
  code, out, _ = look('diff', other.path)
  assert code == errors.FAILED
  assert '0 equal, 1 different' in out


@pytest.mark.parametrize('value', [math.nan, math.inf, 'text', None, [1.0]])
def test_what_is_no_number_in_one_is_infinitely_far(place, other, value):
  a = place.finish(result={'loss': 0.5})
  other.finish(result={'loss': value})
  assert compare(place, other).different[a.name][1] == math.inf


def test_done_is_not_diverged(place, other):
  a = place.finish()
  other.finish('diverged')
  assert compare(place, other).different == {a.name: ('status', math.inf)}


def test_points_of_one_sweep_only_are_a_difference(place, other, look):
  for seed in range(3):
    place.finish(seed=seed)
  for seed in range(1, 5):
    other.finish(seed=seed)
  other.begin(seed=0)
  assert compare(place, other) == ((0, 2), 1, 2, {})
  assert look('diff', other.path)[0] == errors.FAILED


def test_one_point_alone_is_compared_with_a_directory(place, look):
  code, _, err = look('diff', place.finish().name)
  assert code == errors.USAGE
  assert 'is not the directory of a sweep' in err
