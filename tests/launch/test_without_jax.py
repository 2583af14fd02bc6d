"""What a launcher does must not take the accelerator, or wait for JAX."""

import os
import subprocess
import sys

import pytest

from paramspace.launch import errors

SWEEP = """

def sweep():
  from paramspace.launch import axes

  return axes.product(
    axes.over('seed', range(100)), axes.log_uniform('rate', 1e-4, 1.0, 100)
  )
"""


@pytest.fixture
def bare(lab):
  """A laboratory in which importing JAX, or the study, is an error."""
  for name in 'jax', 'toy_study':
    lab.write(f'{name}.py', f'raise ImportError("{name} was imported")')
  return lab


def test_a_dry_run_of_10_000_points_takes_a_moment(bare):
  bare.write(bare.config, (bare.root / bare.config).read_text() + SWEEP)
  before = os.times()
  found = bare.process('sweep', bare.config, '--dry-run', '--executor=local')
  after = os.times()
  seconds = sum(after[2:4]) - sum(before[2:4])  # Of processors, in children.
  assert (found.returncode, found.stderr) == (errors.DONE, '')
  *lines, last = found.stdout.splitlines()
  assert last.startswith('10000 of 10000 points missing')
  assert sum(' missing ' in line for line in lines) == 10_000
  assert seconds < 3.0  # 0.9, if idle.


def test_looking_does_not_wait_for_jax(bare):
  name = 'a' * 16
  bare.write('w/sweep.json', f'{{"points": ["{name}"]}}')
  bare.write(f'w/runs/{name}/metrics.jsonl', '{"step": 1}\n')
  calls = ['status'], ['show', name], ['verify'], ['gc'], ['export']
  code = f"""
from paramspace import cli
for verb, *more in {calls}:
  assert cli.main([verb, 'w', *more]) == {errors.DONE}, verb
"""
  found = subprocess.run(
    [sys.executable, '-c', code],
    cwd=bare.root,
    env=bare.environment,
    capture_output=True,
    text=True,
  )
  assert (found.returncode, found.stderr) == (0, '')
