"""What raises an exception is named at the end; the others go on."""

import pytest

from paramspace.launch import errors

FAILING = """
import pathlib

VMAPPABLE = ('rate',)


def run(config, run):
  if config.seed == 1 and pathlib.Path('fault').exists():
    raise ZeroDivisionError('one over\\nnothing')
  return {'norm': 1.0 + config.seed}


def run_batch(configs, run):
  return [globals()['run'](config, run) for config in configs]
"""


@pytest.fixture
def call(lab):
  """A sweep of three programs, the second of which fails."""
  lab.write('toy_fails.py', FAILING)
  lab.write('fault', '')
  return ['--config.study=toy_fails', '--workdir=here']


@pytest.mark.parametrize(
  ('executor', 'log'),
  [('inline', 'runs/*/error.log'), ('vmapped', 'groups/*/error.log')],
)
def test_the_others_go_on_and_it_is_named_at_the_end(
  lab, call, capsys, executor, log
):
  call = ['sweep', lab.config, *call, f'--executor={executor}']
  assert lab.command(*call) == errors.FAILED
  (path,) = lab.root.glob(f'here/{log}')
  assert 'Traceback' in path.read_text()
  assert len(list(lab.root.glob('here/runs/*/result.json'))) == 2

  shown = capsys.readouterr()
  *_, count, line = shown.err.splitlines()
  assert count == 'paramspace: 1 point failed; start again to try again.'
  assert 'ZeroDivisionError: one over (here/' in line
  assert str(path.relative_to(lab.root)) in line
  assert 'Traceback' in shown.err
  assert 'Failed, going on: ZeroDivisionError' in shown.out

  (lab.root / 'fault').unlink()
  assert lab.command(*call) == errors.DONE
  assert not path.exists()
  assert len(list(lab.root.glob('here/runs/*/result.json'))) == 3


def test_nothing_is_drawn_of_a_sweep_that_failed(lab, call):
  assert lab.command('reproduce', lab.config, *call) == errors.FAILED
  assert not (lab.root / 'here/figures').exists()


@pytest.mark.parametrize('executor', ['inline', 'vmapped'])
def test_what_is_wrong_with_the_config_stops_at_once(lab, call, executor):
  text = FAILING.replace('ZeroDivisionError', 'errors.UsageError')
  lab.write('toy_fails.py', 'from paramspace.launch import errors' + text)
  call = ['sweep', lab.config, *call, f'--executor={executor}']
  assert lab.command(*call) == errors.USAGE
  assert len(list(lab.root.glob('here/runs/*/result.json'))) == 1


@pytest.mark.parametrize('executor', ['inline', 'vmapped'])
def test_ctrl_c_twice_stops_at_once(lab, call, executor):
  text = FAILING.replace('ZeroDivisionError', 'KeyboardInterrupt')
  lab.write('toy_fails.py', text)
  call = ['sweep', lab.config, *call, f'--executor={executor}']
  assert lab.command(*call) == errors.INTERRUPTED
  assert len(list(lab.root.glob('here/runs/*/result.json'))) == 1


def test_a_full_disk_is_one_line_and_ends_the_sweep(lab, capsys):
  lab.write(
    'toy_full.py',
    """
    import pathlib, resource

    def run(config, run):
      resource.setrlimit(resource.RLIMIT_FSIZE, (2000, -1))
      try:
        for t in range(1, 1000):
          run.log(t, x=t)
      finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    """,
  )
  call = ['sweep', lab.config, '--config.study=toy_full', '--workdir=here']
  assert lab.command(*call) == errors.FAILED
  (line,) = capsys.readouterr().err.splitlines()
  assert 'File too large in here/runs/' in line
  assert 'make room and start again' in line
