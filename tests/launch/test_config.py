import ml_collections
import numpy as np
import pytest

from paramspace.launch import config as configs
from paramspace.launch import errors


def make(*overrides):
  def get_config():
    config = ml_collections.ConfigDict()
    config.study = 'toy_study'
    config.seed = 0
    config.rate = 0.5
    config.name = 'adam'
    config.nesterov = False
    config.dims = (1, 2)
    config.limit = ml_collections.config_dict.placeholder(int)
    config.schedule = dict(peak=config.get_ref('rate') * 2.0)
    return config

  module = type('Module', (), {'__file__': 'toy.py'})
  module.get_config = staticmethod(get_config)
  return configs.make(module, overrides=overrides)


@pytest.mark.parametrize(
  ('override', 'value'),
  [
    ('seed=7', 7),
    ('rate=1', 1.0),
    ('rate=1e-3', 1e-3),
    ('name=sgd', 'sgd'),
    ('name=', ''),
    ('nesterov=True', True),
    ('dims=(3,)', (3,)),
    ('dims=[3, 4]', (3, 4)),
    ('limit=5', 5),
    ('schedule.peak=3', 3.0),
  ],
)
def test_an_override_has_the_type_of_its_key(override, value):
  found = configs.flatten(make(f'--config.{override}'))
  key = override.partition('=')[0]
  assert found[key] == value
  assert type(found[key]) is type(value)


@pytest.mark.parametrize(
  'override',
  [
    'seed=1.5',
    'seed=one',
    'rate=fast',
    'nesterov=1',
    'dims=5',
    'dims=(',
    'limit=1.5',
    'limit=many',
  ],
)
def test_an_override_of_another_type_is_an_error(override):
  with pytest.raises(errors.UsageError, match=override.partition('=')[0]):
    make(f'--config.{override}')


def test_a_misspelt_key_names_the_nearest():
  with pytest.raises(errors.UsageError, match=r"did you mean 'schedule.peak'"):
    make('--config.schedule.paek=1')


def test_a_group_of_keys_cannot_be_replaced():
  with pytest.raises(errors.UsageError, match=r"'schedule.peak'"):
    make('--config.schedule=1')


def test_references_follow_overrides_and_sweeps():
  config = make('--config.rate=1.0')
  assert config.schedule.peak == 2.0
  assert configs.override(config, {'rate': 4.0}).schedule.peak == 8.0
  assert config.schedule.peak == 2.0


def test_a_config_is_locked():
  with pytest.raises(AttributeError):
    make().sede = 1
  with pytest.raises(AttributeError):
    configs.override(make(), {'seed': 1}).sede = 1


@pytest.mark.parametrize(
  'changes',
  [
    {'seed': 1.0},
    {'seed': True},
    {'rate': True},
    {'rate': '1'},
    {'nesterov': 1},
    {'seed': None},
    {'limit': 1.5},
    {'sede': 1},
    {'schedule': {'peak': 1.0}},
  ],
)
def test_a_sweep_cannot_change_a_type(changes):
  with pytest.raises(errors.UsageError, match=next(iter(changes))):
    configs.override(make(), changes)


def test_a_sweep_may_give_an_int_for_a_float():
  assert type(configs.override(make(), {'rate': 1}).rate) is float


def test_a_sweep_may_give_a_number_of_numpy():
  changes = {'rate': np.float32(0.25), 'seed': np.int64(3)}
  found = configs.override(make(), changes)
  assert (found.rate, found.seed) == (0.25, 3)
  assert (type(found.rate), type(found.seed)) == (float, int)


@pytest.mark.parametrize(
  'changes',
  [
    {},
    {'seed': 3, 'dims': [4]},
    {'rate': 4},
    {'rate': 4.0, 'schedule.peak': 1.0, 'name': 'sgd'},
    {'limit': 3},
    {'schedule.peak': np.float64(0.5)},
  ],
)
def test_the_fast_override_is_the_override(changes):
  config = make()
  fast = configs.overriding(config)
  for _ in range(2):
    assert fast(changes) == configs.flatten(configs.override(config, changes))
  assert configs.flatten(config) == fast({})


@pytest.mark.parametrize(
  ('first', 'wrong'),
  [
    ({'rate': 1}, {'rate': True}),
    ({'limit': 1}, {'limit': 1.0}),
    ({'seed': 1}, {'seed': 1.0}),
    ({}, {'sede': 1}),
    ({}, {'schedule': 1}),
  ],
)
def test_the_fast_override_knows_types_that_are_equal(first, wrong):
  fast = configs.overriding(make())
  fast(first)
  with pytest.raises(errors.UsageError, match=next(iter(wrong))):
    fast(wrong)


def test_an_error_in_a_config_file_is_one_line_with_its_place(lab):
  path = lab.write('configs/toy/broken.py', 'x = 1\n\ny = x / 0\n')
  with pytest.raises(errors.UsageError, match=r'broken.py, line 3: ZeroDiv'):
    configs.load(path)


def test_the_scale_is_not_a_key():
  with pytest.raises(errors.UsageError, match='Write --scale paper'):
    make('--config.scale=paper')


def test_a_config_without_a_study_says_so():
  module = type('Module', (), {'__file__': 'toy.py'})
  module.get_config = ml_collections.ConfigDict
  with pytest.raises(errors.UsageError, match=r'sets no `config.study`'):
    configs.make(module)


def test_a_scale_that_a_config_does_not_know_is_an_error():
  module = type('Module', (), {'__file__': 'toy.py'})
  module.get_config = lambda: ml_collections.ConfigDict()
  with pytest.raises(errors.UsageError, match=r'toy.py takes no `scale`'):
    configs.make(module, scale='paper')
  with pytest.raises(errors.UsageError, match="did you mean 'paper'"):
    configs.make(module, scale='papr')


def test_a_missing_file_names_the_nearest_beside_it(lab):
  with pytest.raises(errors.UsageError, match=r"did you mean 'walk.py'"):
    configs.load('configs/toy/wlak.py')


def test_a_folder_is_not_a_config(lab):
  with pytest.raises(errors.UsageError, match='No config file'):
    configs.load('configs/toy')


def test_a_syntax_error_is_one_line_with_its_place(lab):
  path = lab.write('configs/toy/broken.py', 'x = 1\ny = = 2\n')
  with pytest.raises(errors.UsageError, match=r'broken.py, line 2: invalid'):
    configs.load(path)


def test_another_text_file_is_not_a_config(lab):
  path = lab.write('notes.txt', 'x')
  with pytest.raises(errors.UsageError, match='not a Python file'):
    configs.load(path)


def test_a_python_file_without_a_config_says_so(lab):
  with pytest.raises(errors.UsageError, match='does not define `get_config'):
    configs.load('toy_study.py')
