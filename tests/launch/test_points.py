import math

import ml_collections
import pytest

from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import points


def config(**changes):
  values = {'study': 's', 'seed': 0, 'dims': (1, 2), 'execution': {'jobs': 1}}
  return ml_collections.ConfigDict(values | changes).lock()


def make(**changes):
  made = config(**changes)
  return points.Point(points.point_id(made), made)


def test_an_id_does_not_depend_on_the_order_of_keys():
  shuffled = ml_collections.ConfigDict(
    {'dims': (1, 2), 'execution': {'jobs': 1}, 'seed': 0, 'study': 's'}
  )
  assert points.point_id(shuffled) == points.point_id(config())


def test_an_id_never_changes():
  assert points.canonical(config()) == '{"dims":[1,2],"seed":0,"study":"s"}'
  assert points.point_id(config()) == 'dc41ffcee04118e8'


def test_how_to_execute_is_not_in_the_id():
  other = config(execution={'jobs': 8, 'log_every': 2})
  assert points.point_id(other) == points.point_id(config())


@pytest.mark.parametrize('changes', [{'seed': 1}, {'dims': (1,)}, {'new': 0}])
def test_everything_else_is_in_the_id(changes):
  assert points.point_id(config(**changes)) != points.point_id(config())


def test_references_are_resolved_in_the_id():
  referring = ml_collections.ConfigDict({'a': 1.0})
  referring.b = referring.get_ref('a') * 2.0
  assert points.canonical(referring) == '{"a":1.0,"b":2.0}'


@pytest.mark.parametrize('value', [math.nan, math.inf, object(), {1, 2}])
def test_a_value_that_json_cannot_hold_is_named(value):
  with pytest.raises(errors.UsageError, match="'bad' holds"):
    points.canonical(config(bad=value))


def test_equal_points_of_a_sweep_are_one(lab):
  module = configs.load(lab.config)
  module.sweep = lambda: ({'seed': s} for s in (0, 1, 0, 2, 1))
  assert [p.config.seed for p in points.expand(module)] == [0, 1, 2]


def test_a_config_without_a_sweep_is_one_point(lab):
  module = configs.load(lab.config)
  del module.sweep
  (point,) = points.expand(module)
  assert point.config.seed == 0


def test_every_key_of_a_sweep_is_checked_before_anything_starts(lab):
  module = configs.load(lab.config)
  module.sweep = lambda: ({'seed': 0}, {'sede': 1})
  with pytest.raises(errors.UsageError, match="did you mean 'seed'"):
    points.expand(module)


def test_an_empty_sweep_is_an_error(lab):
  module = configs.load(lab.config)
  module.sweep = lambda: ()
  with pytest.raises(errors.UsageError, match='yields no point'):
    points.expand(module)


def test_overriding_what_the_sweep_sets_is_an_error(lab):
  module = configs.load(lab.config)
  with pytest.raises(
    errors.UsageError, match=r'--config.seed would do nothing'
  ):
    points.expand(module, overrides=['--config.seed=1'])


def test_a_sweep_takes_the_scale_if_it_has_one(lab):
  module = configs.load(lab.config)
  module.sweep = lambda scale: [{'rate': {'smoke': 0.5}[scale]}]
  (point,) = points.expand(module, scale='smoke')
  assert (point.config.rate, point.config.steps) == (0.5, 3)


def test_points_that_differ_in_vmappable_keys_share_a_group():
  members = [make(seed=s, width=w) for w in (1, 2) for s in (0, 1, 2)]
  found = points.groups(members, vmappable=('seed',))
  assert [[p.config.width for p in g.points] for g in found] == [
    [1, 1, 1],
    [2, 2, 2],
  ]
  assert [g.size for g in found] == [3, 3]


def test_nothing_vmappable_makes_a_group_for_each_point():
  members = [make(seed=s) for s in range(3)]
  assert [g.size for g in points.groups(members)] == [1, 1, 1]


def test_a_large_group_is_cut_into_equal_sizes():
  members = [make(seed=s, execution={'group_size': 4}) for s in range(10)]
  found = points.groups(members, vmappable=('seed',))
  assert [len(g.points) for g in found] == [4, 4, 2]
  assert [g.size for g in found] == [4, 4, 4]
  assert len({g.id for g in found}) == 3


def test_a_limit_larger_than_the_group_adds_no_rows():
  members = [make(seed=s, execution={'group_size': 64}) for s in range(3)]
  assert [g.size for g in points.groups(members, vmappable=('seed',))] == [3]


def test_a_negative_group_size_is_an_error():
  members = [make(execution={'group_size': -1})]
  with pytest.raises(errors.UsageError, match='positive, got -1'):
    points.groups(members)


def test_a_set_that_does_not_fit_is_cut_evenly():
  members = [make(seed=s) for s in range(10)]
  found = points.groups(members, vmappable=('seed',), limit=lambda config: 4)
  assert [len(g.points) for g in found] == [4, 4, 2]
  found = points.groups(members, vmappable=('seed',), limit=lambda config: 9)
  assert [len(g.points) for g in found] == [5, 5]
  assert [g.size for g in found] == [5, 5]


def test_a_set_that_fits_is_the_group_that_it_is_without_a_limit():
  members = [make(seed=s) for s in range(10)]
  free = points.groups(members, vmappable=('seed',))
  for limit in 10, 11, 10**9:
    assert free == points.groups(members, ('seed',), lambda _, n=limit: n)


def test_a_declared_group_size_is_taken_whatever_fits():
  members = [make(seed=s, execution={'group_size': 3}) for s in range(6)]
  found = points.groups(members, ('seed',), limit=lambda config: 1)
  assert [g.size for g in found] == [3, 3]


def test_each_set_has_its_own_limit():
  members = [make(seed=s, width=w) for w in (1, 2) for s in range(4)]
  found = points.groups(members, ('seed',), limit=lambda c: 4 // c.width)
  assert [g.size for g in found] == [4, 2, 2]
