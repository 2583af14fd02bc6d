"""What is stopped goes on, and ends in the bits of what was not."""

import signal

import pytest

from paramspace.launch import errors
from paramspace.launch import metrics


def execution(**values):
  return [f'--config.execution.{k}={v}' for k, v in values.items()]


def metrics_files(lab):
  return sorted(lab.root.glob('storm/runs/*/metrics.jsonl'))


def test_a_batch_that_ctrl_c_stops_continues_to_the_same_bits(lab):
  calm = lab.process('reproduce', lab.config, '--workdir=calm')
  assert calm.returncode == errors.DONE, calm.stderr

  call = ['reproduce', lab.config, '--workdir=storm']
  harm = execution(harm='SIGINT', at=3)
  stopped = lab.process(*call, *harm)
  assert stopped.returncode == errors.PREEMPTED
  assert 'Traceback' not in stopped.stderr
  assert f'continue with: paramspace {" ".join(call)}' in stopped.stderr
  assert not list(lab.root.glob('storm/runs/*/result.json'))
  assert [len(metrics.read(p)) for p in metrics_files(lab)] == [3, 3, 3]

  continued = lab.process(*call, *harm)
  assert continued.returncode == errors.DONE, continued.stderr
  assert lab.results('storm') == lab.results('calm')
  assert not list(lab.root.glob('storm/groups/*'))
  assert [len(metrics.read(p)) for p in metrics_files(lab)] == [6, 6, 6]

  started = lab.started
  finished = lab.process(*call)
  assert finished.returncode == errors.DONE
  assert 'none to run' in finished.stdout
  assert lab.started == started == ['0 1 2'] * 3


def test_a_batch_that_is_killed_goes_on_from_its_checkpoint(lab):
  assert lab.command('sweep', lab.config, '--workdir=calm') == errors.DONE
  call = ['sweep', lab.config, '--workdir=storm']
  harm = execution(harm='SIGKILL', at=5, checkpoint_every=2)
  assert lab.process(*call, *harm).returncode == -signal.SIGKILL
  for path in metrics_files(lab):
    assert len(metrics.read(path)) == 4  # The fifth was not fetched.
    with path.open('a') as file:
      file.write('{"step": 6, "no')
  assert lab.command(*call, *harm) == errors.DONE
  assert lab.results('storm') == lab.results('calm')


def test_a_batch_that_is_killed_before_its_first_checkpoint_starts_over(lab):
  assert lab.command('sweep', lab.config, '--workdir=calm') == errors.DONE
  call = ['sweep', lab.config, '--workdir=storm']
  harm = execution(harm='SIGKILL', at=5)
  assert lab.process(*call, *harm).returncode == -signal.SIGKILL
  assert lab.command(*call, *harm) == errors.DONE
  assert lab.results('storm') == lab.results('calm')


@pytest.mark.parametrize('verb', ['run', 'sweep'])
@pytest.mark.parametrize('harm', ['SIGINT', 'SIGTERM'])
def test_points_one_by_one_continue_to_the_same_bits(lab, verb, harm):
  inline = ['--executor=inline'] if verb == 'sweep' else []
  assert lab.command(verb, lab.config, '--workdir=calm', *inline) == errors.DONE
  call = [verb, lab.config, '--workdir=storm', *inline]
  call += execution(harm=harm, at=3)
  assert lab.command(*call) == errors.PREEMPTED
  assert lab.command(*call) == errors.DONE
  assert lab.results('storm') == lab.results('calm')


def test_a_stop_between_two_points_keeps_the_first(lab):
  call = ['sweep', lab.config, '--executor=inline', '--workdir=storm']
  lab.write(
    'toy_deaf.py',
    """
    import signal

    def run(config, run):
      if config.seed == 0:
        signal.raise_signal(signal.SIGTERM)
      return {'seed': config.seed}
    """,
  )
  call.append('--config.study=toy_deaf')
  assert lab.command(*call) == errors.PREEMPTED
  assert len(list(lab.root.glob('storm/runs/*/result.json'))) == 1
  assert lab.command(*call) == errors.DONE
  assert len(list(lab.root.glob('storm/runs/*/result.json'))) == 3


def test_a_second_ctrl_c_leaves_a_directory_that_continues(lab, capfd):
  lab.write(
    'toy_patient.py',
    """
    import pathlib
    import signal

    def run(config, run):
      run.log(1, x=1.0)
      if not pathlib.Path('harmed').exists():
        pathlib.Path('harmed').touch()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
      return {'x': 1.0}
    """,
  )
  call = ['run', lab.config, '--config.study=toy_patient', '--workdir=storm']
  assert lab.command(*call) == errors.INTERRUPTED
  assert 'stopped at once' in capfd.readouterr().err
  assert lab.command(*call) == errors.DONE
  assert [len(metrics.read(p)) for p in metrics_files(lab)] == [1]


def test_a_study_that_fails_keeps_its_traceback_and_the_directory(lab):
  lab.write('toy_fails.py', 'def run(config, run): return 1 / config.seed\n')
  call = ['run', lab.config, '--config.study=toy_fails', '--workdir=storm']
  failed = lab.process(*call)
  assert failed.returncode == errors.FAILED
  assert 'ZeroDivisionError' in failed.stderr
  assert not list(lab.root.glob('storm/runs/*/result.json'))


def test_nothing_but_damaged_checkpoints_is_exit_4_and_then_a_new_start(lab):
  call = ['run', lab.config, '--workdir=storm']
  harm = execution(harm='SIGTERM', at=3)
  assert lab.command(*call, *harm) == errors.PREEMPTED
  (found,) = lab.root.glob('storm/runs/*/ckpt/3/leaves')
  found.rename(found.with_name('lost'))
  assert lab.command(*call) == errors.CORRUPT
  assert lab.command(*call) == errors.DONE
  assert lab.command('run', lab.config, '--workdir=calm') == errors.DONE
  assert lab.results('storm') == lab.results('calm')
