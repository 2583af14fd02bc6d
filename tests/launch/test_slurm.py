"""Points as Slurm jobs, with submitit's executor for this machine."""

import sys

import pytest

from paramspace.launch import errors

pytest.importorskip('submitit')

SLURM = ('--executor=slurm', '--resource=cluster=local', '--workdir=storm')


def test_jobs_leave_the_results_of_the_sweep(lab):
  assert lab.command('sweep', lab.config, '--workdir=calm') == errors.DONE
  (lab.root / 'started.txt').unlink()
  call = ['sweep', lab.config, *SLURM, '--config.execution.harm=SIGTERM']
  done = lab.process(*call, '--config.execution.at=4')
  assert done.returncode == errors.DONE, done.stdout + done.stderr
  assert 'ended with 42; starting it again (1 of 3)' in done.stdout
  assert lab.results('storm') == lab.results('calm')
  assert len(lab.started) == 4


def test_a_failed_job_names_its_reason(lab):
  lab.write('toy_fails.py', 'def run(config, run): return 1 / config.seed\n')
  text = (lab.root / lab.config).read_text().replace('range(3)', 'range(1)')
  lab.write(lab.config, text)
  done = lab.process('sweep', lab.config, *SLURM, '--config.study=toy_fails')
  assert done.returncode == errors.FAILED
  assert 'ZeroDivisionError' in done.stdout


@pytest.mark.parametrize(
  ('resource', 'message'),
  [
    ('cluster=slrum', '--executor slurm:'),
    ('partitoin=gpu', '--executor slurm:'),
  ],
)
def test_wrong_parameters_are_one_line(lab, capsys, resource, message):
  call = ['sweep', lab.config, *SLURM, f'--resource={resource}']
  assert lab.command(*call) == errors.USAGE
  shown = capsys.readouterr().err
  assert message in shown and 'Traceback' not in shown


def test_without_submitit_it_says_what_to_install(lab, capsys, monkeypatch):
  monkeypatch.setitem(sys.modules, 'submitit', None)
  assert lab.command('sweep', lab.config, *SLURM) == errors.USAGE
  assert "pip install 'paramspace[slurm]'" in capsys.readouterr().err
