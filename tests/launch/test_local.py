"""Points in processes of their own, on this machine."""

import os
import signal
import subprocess
import sys
import time

import pytest

from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch.executors import _slots

LOCAL = ('--executor=local', '--jobs=2', '--workdir=storm')


def harm(**values):
  return [f'--config.execution.{k}={v}' for k, v in values.items()]


def slow(lab, seconds):
  """Makes every step of the toy study take some time."""
  text = (lab.root / 'toy_study.py').read_text()
  text = text.replace('bar.advance()', f'time.sleep({seconds}); bar.advance()')
  lab.write(
    'toy_study.py', text.replace('import signal', 'import signal, time')
  )


def start(lab, *arguments):
  """Starts the command and does not wait for it."""
  return subprocess.Popen(
    [sys.executable, '-m', 'paramspace', *arguments],
    env=lab.environment,
    cwd=lab.root,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def wait_for(condition, seconds=60):
  until = time.monotonic() + seconds
  while not condition():
    assert time.monotonic() < until, 'It did not happen.'
    time.sleep(0.02)


def end(process):
  """Waits for a command; returns its exit code and what it printed."""
  with process:
    shown = process.communicate(timeout=120)[0]
  return process.returncode, shown


def training(lab):
  """How many programs have been started."""
  path = lab.root / 'started.txt'
  return len(lab.started) if path.exists() else 0


@pytest.fixture
def calm(lab):
  """The results of an undisturbed sweep."""
  call = ['sweep', lab.config, '--executor=inline', '--workdir=calm']
  assert lab.command(*call) == errors.DONE
  found = lab.results('calm')
  (lab.root / 'started.txt').unlink()
  return found


def test_a_killed_point_is_started_again_and_the_others_go_on(lab, calm):
  call = ['sweep', lab.config, *LOCAL]
  call += harm(harm='SIGKILL', at=4, checkpoint_every=2)
  done = lab.process(*call)
  assert done.returncode == errors.DONE, done.stderr
  assert lab.results('storm') == calm
  assert sorted(lab.started) in (
    sorted(['0', '1', '2', again]) for again in '012'
  )
  assert 'ended with 137; starting it again (1 of 3)' in done.stdout


def test_the_launcher_imports_neither_jax_nor_the_study(lab):
  code = f"""
import sys
from paramspace import cli
code = cli.main({['sweep', lab.config, *LOCAL, '--jobs=1']})
assert not {{'jax', 'toy_study', 'ray'}} & sys.modules.keys()
sys.exit(code)
"""
  edited = (lab.root / lab.config).read_text().replace('range(3)', 'range(1)')
  lab.write(lab.config, edited)
  subprocess.run(
    [sys.executable, '-c', code], env=lab.environment, cwd=lab.root, check=True
  )
  assert lab.started == ['0']


def test_a_point_that_fails_is_not_started_again(lab):
  lab.write(
    'toy_fails.py',
    """
    def run(config, run):
      with open('started.txt', 'a') as file:
        print(config.seed, file=file)
      return {'x': 1 / config.seed}
    """,
  )
  done = lab.process('sweep', lab.config, *LOCAL, '--config.study=toy_fails')
  assert done.returncode == errors.FAILED
  assert sorted(lab.started) == ['0', '1', '2']
  (failed,) = lab.root.glob('storm/runs/*/failure.json')
  record = records.read(failed)
  assert (record['code'], record['attempts']) == (1, 1)
  assert 'ZeroDivisionError' in record['reason']
  assert '1 point failed; start again' in done.stderr
  assert 'ZeroDivisionError' in (failed.parent / 'log.txt').read_text()
  assert len(list(lab.root.glob('storm/runs/*/result.json'))) == 2


def test_a_point_that_is_always_killed_is_given_up(lab, monkeypatch):
  lab.write(
    'toy_doomed.py',
    """
    import os, signal

    def run(config, run):
      with open('started.txt', 'a') as file:
        print(config.seed, file=file)
      os.kill(os.getpid(), signal.SIGKILL)
    """,
  )
  text = (lab.root / lab.config).read_text().replace('range(3)', 'range(1)')
  lab.write(lab.config, text)
  done = lab.process('sweep', lab.config, *LOCAL, '--config.study=toy_doomed')
  assert done.returncode == errors.FAILED
  assert lab.started == ['0'] * 4
  (failed,) = lab.root.glob('storm/runs/*/failure.json')
  assert records.read(failed)['reason'] == 'exit code 137 (killed)'


def test_a_launcher_that_is_told_to_stop_lets_its_points_save(lab, calm):
  slow(lab, 0.5)
  launcher = start(lab, 'sweep', lab.config, *LOCAL)
  wait_for(lambda: training(lab) == 2)
  launcher.send_signal(signal.SIGTERM)
  code, shown = end(launcher)
  assert code == errors.PREEMPTED, shown
  assert 'continue with: paramspace sweep' in shown
  assert len(list(lab.root.glob('storm/runs/*/manifests/*.json'))) == 2
  slow(lab, 0)
  done = lab.process('sweep', lab.config, *LOCAL)
  assert done.returncode == errors.DONE, done.stderr
  assert lab.results('storm') == calm


def test_a_killed_launcher_takes_its_points_along_and_is_continued(lab, calm):
  slow(lab, 0.5)
  launcher = start(lab, 'sweep', lab.config, *LOCAL)
  wait_for(lambda: training(lab) == 2)
  launcher.kill()
  end(launcher)
  done = lab.process('sweep', lab.config, *LOCAL)
  assert done.returncode == errors.DONE, done.stdout + done.stderr
  assert lab.results('storm') == calm


def test_two_launchers_at_once_run_no_point_twice(lab, calm):
  slow(lab, 0.1)
  first = start(lab, 'sweep', lab.config, *LOCAL)
  second = start(lab, 'sweep', lab.config, *LOCAL)
  for launcher in (first, second):
    code, shown = end(launcher)
    assert code == errors.DONE, shown
    assert '3 done, 0 diverged' in shown
  assert sorted(lab.started) == ['0', '1', '2']
  assert lab.results('storm') == calm


def test_every_process_gets_as_many_cores(monkeypatch):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 3, 4})
  cores = lambda n: [s['PARAMSPACE_CORES'] for s in _slots.divide(n)]
  assert cores(2) == ['0,1', '2,3']
  assert cores(None) == ['0', '1', '2', '3', '4']
  assert cores(7) == ['0', '1', '2', '3', '4', '0', '1']


def test_every_process_gets_a_device_of_its_own(monkeypatch):
  monkeypatch.setenv('JAX_PLATFORMS', 'cuda')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,5')
  devices = lambda n: [s['CUDA_VISIBLE_DEVICES'] for s in _slots.divide(n)]
  assert devices(None) == ['3', '5']
  assert devices(3) == ['3', '5', '3']
  assert 'XLA_PYTHON_CLIENT_PREALLOCATE' not in _slots.divide(2)[0]
  assert _slots.divide(3)[0]['XLA_PYTHON_CLIENT_PREALLOCATE'] == 'false'


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--jobs=2'], '--jobs is for --executor local, ray, slurm'),
    (['--executor=local', '--jobs=0'], '--jobs is at least 1'),
    (['--executor=ray', '--resource=TPU'], '--resource is KEY=VALUE'),
    (
      ['--executor=local', '--config.study=toy_stduy'],
      "did you mean 'toy_study'",
    ),
    (
      ['--executor=vmapped', '--distributed=auto'],
      'use --executor inline with it, not vmapped',
    ),
  ],
)
def test_wrong_options_are_one_line(lab, capsys, arguments, message):
  assert lab.command('sweep', lab.config, *arguments) == errors.USAGE
  (line,) = capsys.readouterr().err.splitlines()
  assert message in line
