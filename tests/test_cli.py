import subprocess
import sys

import pytest

from paramspace import cli
from paramspace.launch import errors


def usage_error(capsys, *arguments):
  """The one line on stderr of a call that is wrong."""
  assert cli.main(arguments) == errors.USAGE
  (line,) = capsys.readouterr().err.splitlines()
  return line


def test_help_shows_examples_and_exit_codes(capsys):
  with pytest.raises(SystemExit, match='0'):
    cli.main(['--help'])
  shown = capsys.readouterr().out
  assert 'paramspace reproduce configs/intrinsic_dimension/digits_fc' in shown
  assert '42 stopped and saved' in shown


@pytest.mark.parametrize('verb', ['run', 'sweep', 'reproduce', 'figure'])
def test_every_verb_explains_itself(verb, capsys):
  with pytest.raises(SystemExit, match='0'):
    cli.main([verb, '--help'])
  assert '--config.KEY=VALUE' in capsys.readouterr().out


def test_an_unknown_verb_names_the_nearest(capsys):
  line = usage_error(capsys, 'reproduec', 'x.py')
  assert line.startswith("paramspace: No verb 'reproduec'; did you mean 'repro")


def test_an_unknown_option_names_the_nearest(capsys):
  line = usage_error(capsys, 'run', 'x.py', '--wrkdir=here')
  assert "No option '--wrkdir=here' of run; did you mean '--workdir'" in line


def test_an_override_without_its_prefix_is_not_dropped(capsys):
  line = usage_error(capsys, 'run', 'x.py', '--confg.seed=1')
  assert "did you mean '--config.'" in line


def test_a_lacking_config_is_one_line(capsys):
  assert 'required: CONFIG' in usage_error(capsys, 'run')


def test_an_option_without_a_verb_is_one_line(capsys):
  assert 'required: VERB' in usage_error(capsys, '--dry-run')


def test_no_verb_prints_the_help(capsys):
  assert cli.main([]) == errors.USAGE
  assert 'examples:' in capsys.readouterr().out


def test_a_second_ctrl_c_is_one_line(capsys, monkeypatch):
  def interrupt(argv):
    raise KeyboardInterrupt

  monkeypatch.setattr(cli, '_parse', interrupt)
  assert cli.main([]) == errors.INTERRUPTED
  assert 'start again to continue' in capsys.readouterr().err


def test_another_exception_keeps_its_traceback(monkeypatch):
  def fail(argv):
    raise ZeroDivisionError

  monkeypatch.setattr(cli, '_parse', fail)
  with pytest.raises(ZeroDivisionError):
    cli.main([])


def test_the_launcher_does_not_import_jax():
  code = (
    'import sys\n'
    'from paramspace import cli\n'
    'from paramspace.launch import executors, figures, reproduce, sweep\n'
    "assert 'jax' not in sys.modules, 'jax'\n"
    "assert 'orbax' not in sys.modules, 'orbax'\n"
    "assert 'matplotlib' not in sys.modules, 'matplotlib'\n"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
