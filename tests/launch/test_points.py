import math
import pathlib
import time

import ml_collections
import pytest

from paramspace.launch import axes
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import points
from paramspace.launch import records

ROOT = pathlib.Path(points.__file__).parents[2]
CONFIGS = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob('configs/**/*.py'))


def make(**changes):
  values = {'study': 's', 'seed': 0, 'dims': (1, 2), 'execution': {'jobs': 1}}
  return points.point(ml_collections.ConfigDict(values | changes))


def test_an_id_does_not_depend_on_the_order_of_keys():
  shuffled = ml_collections.ConfigDict(
    {'dims': (1, 2), 'execution': {'jobs': 1}, 'seed': 0, 'study': 's'}
  )
  assert points.point(shuffled).id == make().id


def test_an_id_never_changes():
  assert points.canonical(make().flat) == (
    '{"dims":[1,2],"seed":0,"study":"s"}'
  )
  assert make().id == 'dc41ffcee04118e8'


def test_how_to_execute_is_not_in_the_id():
  assert make(execution={'jobs': 8, 'log_every': 2}).id == make().id


@pytest.mark.parametrize(
  'changes', [{'seed': 1}, {'dims': (1,)}, {'new': 0}, {'new': {}}]
)
def test_everything_else_is_in_the_id(changes):
  assert make(**changes).id != make().id


def test_a_list_and_a_tuple_are_one_point():
  assert make(dims=[1, 2]) == make(dims=(1, 2))
  assert make(dims=[1, [2]]).config.dims == (1, (2,))


def test_references_are_resolved_in_the_id():
  referring = ml_collections.ConfigDict({'a': 1.0})
  referring.b = referring.get_ref('a') * 2.0
  assert points.point(referring).flat == {'a': 1.0, 'b': 2.0}


@pytest.mark.parametrize('value', [math.nan, math.inf, object(), {1, 2}])
def test_a_value_that_json_cannot_hold_is_named(value):
  with pytest.raises(errors.UsageError, match="'bad' holds"):
    make(bad=value)
  with pytest.raises(errors.UsageError, match=r"'execution.bad' holds"):
    make(execution={'bad': value})


def test_the_config_of_a_point_is_locked():
  with pytest.raises(AttributeError):
    make().config.sede = 1


@pytest.mark.parametrize('path', CONFIGS)
@pytest.mark.parametrize('scale', configs.SCALES)
def test_a_point_of_every_config_is_the_same_after_a_file(
  path, scale, tmp_path
):
  for point in points.expand(configs.load(ROOT / path), scale):
    folder = tmp_path / point.id
    records.write(folder / 'config.json', point.flat)
    found = points.read(folder)
    assert found == point
    assert found.config == point.config
    assert configs.flatten(found.config) == point.flat


def test_words_for_no_numbers_are_words_after_a_file(tmp_path):
  point = make(name='NaN', empty={}, nothing=None)
  records.write(tmp_path / point.id / 'config.json', point.flat)
  assert points.read(tmp_path / point.id) == point


@pytest.mark.parametrize(
  'text',
  [
    '',
    '[]',
    '{"seed": 1}',
    '{"a": 1, "a.b": 2}',
    '{"study": "s", "seed": NaN}',
    '{"study": "s", "seed": 0, "dims": [1, 2], "execution.jobs": Infinity}',
    None,
  ],
)
def test_another_config_than_the_id_says_is_refused(tmp_path, text):
  folder = tmp_path / make().id
  folder.mkdir()
  if text is not None:
    (folder / 'config.json').write_text(text)
  with pytest.raises(errors.UsageError, match='is not the config of point'):
    points.read(folder)


def named(lab):
  module = configs.load(lab.config)
  module.sweep_seeds = lambda: axes.over('seed', (0, 1))
  module.sweep_rates = lambda scale: axes.over('rate', (0.5, 1))
  return module


def values(found):
  return [(p.config.seed, p.config.rate) for p in found]


def test_named_sweeps_are_multiplied_in_their_order(lab):
  found = points.expand(named(lab), sweeps=['rates', 'seeds'])
  assert values(found) == [(0, 0.5), (1, 0.5), (0, 1.0), (1, 1.0)]
  assert values(points.expand(named(lab), sweeps=['seeds'])) == [
    (0, 0.1),
    (1, 0.1),
  ]


def test_a_misspelt_sweep_names_the_nearest(lab):
  with pytest.raises(errors.UsageError, match="did you mean 'seeds'"):
    points.expand(named(lab), sweeps=['sedes'])


def test_named_sweeps_that_set_one_key_twice_are_an_error(lab):
  module = named(lab)
  module.sweep_more = module.sweep_seeds
  with pytest.raises(errors.UsageError, match="'seed' is set twice"):
    points.expand(module, sweeps=['seeds', 'more'])


def test_of_named_sweeps_alone_some_have_to_be_chosen(lab):
  module = named(lab)
  del module.sweep
  with pytest.raises(errors.UsageError, match='rates, seeds'):
    points.expand(module)


@pytest.mark.parametrize(
  ('body', 'what'),
  [
    ('yield {"seed": 0}\n  yield {"seed": 1 / 0}', 'ZeroDivisionError: divis'),
    ('return axes.zipped([{}], [])', 'ValueError: `zipped` takes sweeps'),
    ('return over("seed", (1,))', "NameError: name 'over'"),
    ('raise ValueError("two\\nlines")', 'ValueError: two lines$'),
    ('assert False', 'AssertionError$'),
    ('return 3', None),
  ],
)
def test_what_a_sweep_raises_is_one_line_with_its_place(lab, body, what):
  text = 'from paramspace.launch import axes\n\n\ndef sweep():\n  ' + body
  path = lab.write(
    'configs/toy/raises.py', (lab.root / lab.config).read_text() + text
  )
  line = len((lab.root / path).read_text().splitlines()) if what else '\\?'
  with pytest.raises(errors.UsageError) as raised:
    points.expand(configs.load(path))
  assert raised.match(rf'raises.py, line {line}: {what or "TypeError"}')
  assert '\n' not in str(raised.value)


@pytest.mark.parametrize('changes', [3, ('seed', 1), {1: 2}])
def test_a_sweep_that_yields_something_else_is_an_error(lab, changes):
  module = configs.load(lab.config)
  module.sweep = lambda: [changes]
  with pytest.raises(errors.UsageError, match='has to yield dicts'):
    points.expand(module)


def test_points_are_expanded_in_a_moment(lab):
  module = configs.load(lab.config)
  module.sweep = lambda: axes.over('seed', range(10_000))
  start = time.process_time()
  assert len(points.expand(module)) == 10_000
  assert time.process_time() - start < 1.5  # 0.2 s, if idle.


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
