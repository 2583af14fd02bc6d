import pytest

from paramspace.launch import errors
from paramspace.launch import records

pytest.importorskip('optuna')

STUDY = """
import pathlib
import signal

from paramspace.launch import errors


def run(config, run):
  with open('tried.txt', 'a') as file:
    print(f'{config.x:.6f}', file=file)
  marker = pathlib.Path(config.execution.harm or 'none')
  if marker.exists():
    count = len(pathlib.Path('tried.txt').read_text().splitlines())
    if count == int(marker.read_text()):
      marker.unlink()
      signal.raise_signal(signal.SIGKILL)
  if config.kind == 'bad':
    raise errors.Diverged('x is too large.')
  if config.kind == 'broken':
    raise RuntimeError('no such kind')
  return {'height': -(config.x - 0.3)**2, 'name': 'hill'}
"""

CONFIG = """
import ml_collections

OBJECTIVE = ('maximize', 'height')


def get_config():
  config = ml_collections.ConfigDict()
  config.study = 'toy_hill'
  config.seed = 3
  config.x = 0.0
  config.kind = 'good'
  config.execution = dict(harm='')
  return config


def search(trial):
  return {
    'x': trial.suggest_float('x', 0, 1),
    'kind': trial.suggest_categorical('kind', KINDS),
  }
"""


@pytest.fixture
def hill(lab):
  lab.write('toy_hill.py', STUDY)
  return lab


def config(lab, kinds=('good',)):
  return lab.write('configs/toy/hill.py', f'KINDS = {kinds!r}\n{CONFIG}')


def tried(lab):
  return (lab.root / 'tried.txt').read_text().splitlines()


def points(lab, workdir):
  return {p.parent.name for p in lab.root.glob(f'{workdir}/runs/*/result.json')}


def test_a_search_finds_the_hill_and_names_its_config(hill, capfd):
  call = ['search', config(hill), '--trials=25', '--workdir=w']
  assert hill.command(*call) == errors.DONE
  shown = capfd.readouterr().out.splitlines()
  assert shown[-1].startswith('best of 25: height = ')
  (x,) = [word for word in shown[-1].split() if '.x=' in word]
  assert abs(float(x.split('=')[1]) - 0.3) < 0.05
  assert len(tried(hill)) == len(points(hill, 'w')) == 25

  assert hill.command(*call) == errors.DONE  # All of them are over.
  assert len(tried(hill)) == 25


def test_a_trial_is_a_point_like_any_other(hill):
  path = config(hill)
  call = ['search', path, '--trials=1', '--workdir=w']
  assert hill.command(*call) == errors.DONE
  (name,) = points(hill, 'w')
  flat = records.read(hill.root / 'w' / 'runs' / name / 'config.json')
  again = ['run', path, f'--config.x={flat["x"]!r}', '--workdir=w']
  assert hill.command(*again) == errors.DONE
  assert points(hill, 'w') == {name} and len(tried(hill)) == 1

  # The other way round: another search that begins as this one did.
  (hill.root / 'w' / 'search.journal').unlink()
  assert hill.command(*call) == errors.DONE
  assert len(tried(hill)) == 1


def test_a_search_that_is_killed_goes_on_with_the_same_trials(hill):
  call = ['search', config(hill), '--trials=14', '--config.execution.harm=harm']
  assert hill.command(*call, '--workdir=calm') == errors.DONE
  (hill.root / 'tried.txt').unlink()
  (hill.root / 'harm').write_text('12')
  assert hill.process(*call, '--workdir=storm').returncode == -9
  assert len(tried(hill)) == 12
  assert hill.command(*call, '--workdir=storm') == errors.DONE
  assert tried(hill)[11] == tried(hill)[12]  # The trial that was killed.
  assert points(hill, 'storm') == points(hill, 'calm')


def test_what_diverges_is_a_trial_that_is_over(hill, capfd):
  path = config(hill, ('good', 'bad'))
  call = ['search', path, '--trials=12', '--workdir=w']
  assert hill.command(*call) == errors.DONE
  assert 'best of 12: height' in capfd.readouterr().out
  assert len(tried(hill)) == 12

  path = config(hill, ('bad',))
  call = ['search', path, '--trials=2', '--workdir=v']
  assert hill.command(*call) == errors.DIVERGED


def test_a_trial_that_fails_does_not_stop_the_others(hill, capfd):
  path = config(hill, ('good', 'broken'))
  call = ['search', path, '--trials=6', '--workdir=w']
  assert hill.command(*call) == errors.FAILED
  assert 'Trials ' in capfd.readouterr().err.splitlines()[-1]
  assert len(tried(hill)) == 6
  assert 0 < len(points(hill, 'w')) < 6


def test_trials_run_side_by_side(hill):
  call = ['search', config(hill), '--trials=3', '--jobs=2', '--workdir=w']
  ended = hill.process(*call)
  assert ended.returncode == errors.DONE, ended.stderr
  assert len(points(hill, 'w')) == 3


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'does not define `search(trial)`'),
    ('def search(t): return {}', "needs an OBJECTIVE such as ('maximize'"),
    (
      "OBJECTIVE = ('max', 'height')\ndef search(t): return {}",
      "got ('max', 'height')",
    ),
    (
      "OBJECTIVE = ('maximize', 'hight')\ndef search(t): return {}",
      "'hight'; did you mean 'height'?",
    ),
    (
      "OBJECTIVE = ('maximize', 'height')\ndef search(t): return {'xx': 1.0}",
      "No config key 'xx'",
    ),
    (
      "OBJECTIVE = ('maximize', 'height')\ndef search(t): return 1 / 0",
      '`search(trial)` in',
    ),
  ],
)
def test_a_search_that_is_wrong_is_a_usage_error(hill, capfd, text, message):
  head = CONFIG.partition('def search')[0].replace('OBJECTIVE', 'FORMER')
  path = hill.write('configs/toy/hill.py', f'{head}\n{text}\n')
  call = ['search', path, '--trials=1', '--workdir=w']
  assert hill.command(*call) == errors.USAGE
  assert message in capfd.readouterr().err
