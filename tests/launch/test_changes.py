import ml_collections
import pytest

from paramspace.launch import changes
from paramspace.launch import points
from paramspace.launch import records


def make(**values):
  config = {'study': 's', 'seed': 0, 'steps': 6, 'execution': {'jobs': 1}}
  return points.point(ml_collections.ConfigDict(config | values))


@pytest.fixture
def start(tmp_path):
  """Leaves what a sweep of these points leaves."""

  def write(*members):
    records.write(tmp_path / 'sweep.json', {'points': [p.id for p in members]})
    for point in members:
      records.write(tmp_path / 'runs' / point.id / 'config.json', point.flat)

  return write


def test_a_first_start_changes_nothing(tmp_path):
  assert changes.describe(tmp_path, [make()]) is None


def test_the_same_points_change_nothing(tmp_path, start):
  start(*(make(seed=s) for s in range(3)))
  again = [make(seed=s, execution={'jobs': 9}) for s in (2, 0, 1)]
  assert changes.describe(tmp_path, again) is None


def test_more_points_are_said_to_be_new(tmp_path, start):
  start(make())
  line = changes.describe(tmp_path, [make(seed=s) for s in range(3)])
  assert line == (
    f'The sweep in {tmp_path} has changed: 2 of 3 points are new.'
  )


def test_an_edited_key_is_named_with_both_values(tmp_path, start):
  start(*(make(seed=s) for s in range(3)))
  line = changes.describe(tmp_path, [make(seed=s, steps=9) for s in range(3)])
  assert line == (
    f'The sweep in {tmp_path} has changed: 3 of 3 points are new, and 3 of the '
    '3 before are no longer in it; results of theirs stay there and are not '
    'used. Between the nearest: steps was 6 and is 9.'
  )


def test_keys_that_come_and_go_are_named(tmp_path, start):
  start(make(old=(1,), execution={'jobs': 3}))
  line = changes.describe(tmp_path, [make(new=None)])
  assert line.endswith(
    'Between the nearest: old was [1] and is absent, new was absent and is '
    'null.'
  )


def test_many_keys_are_counted(tmp_path, start):
  start(make())
  line = changes.describe(tmp_path, [make(**{f'k{i}': i for i in range(9)})])
  assert line.endswith('k4 was absent and is 4, and 4 more keys.')


@pytest.mark.parametrize(
  'content', ['', '[]', '{"points": 3}', '{"points": [7]}']
)
def test_a_damaged_index_is_not_trusted(tmp_path, content):
  (tmp_path / 'sweep.json').write_text(content)
  line = changes.describe(tmp_path, [make()])
  assert line is None or 'Between' not in line


def test_a_point_that_was_never_started_has_no_config_to_compare(
  tmp_path, start
):
  records.write(tmp_path / 'sweep.json', {'points': [make().id]})
  line = changes.describe(tmp_path, [make(steps=9)])
  assert line.endswith('are not used.')


def test_large_sweeps_are_compared_in_a_moment(tmp_path):
  members = [make(seed=s) for s in range(2_000)]
  records.write(tmp_path / 'sweep.json', {'points': [p.id for p in members]})
  point = members[0]
  records.write(tmp_path / 'runs' / point.id / 'config.json', point.flat)
  edited = [make(seed=s, steps=9) for s in range(2_000)]
  line = changes.describe(tmp_path, edited)
  assert line.endswith('steps was 6 and is 9.')
