"""Points on a Ray cluster of two nodes, which say that they have TPUs."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from paramspace.launch import errors
from paramspace.launch import leases
from paramspace.launch import records

pytest.importorskip('ray')

# What Ray finds out by itself on the hosts of a v4 slice of 2x2x2 chips.
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

small = dict(num_cpus=1, object_store_memory=80 * 2**20)
cluster = Cluster()
for i in range(2):
  cluster.add_node(
    resources={'TPU': 4} | ({'TPU-v4-16-head': 1} if i == 0 else {}),
    labels={
      'ray.io/tpu-slice-name': 'slice',
      'ray.io/tpu-worker-id': str(i),
      'ray.io/tpu-pod-type': 'v4-16',
      'ray.io/tpu-topology': '2x2x2',
    },
    **small,
    **({'include_dashboard': False} if i == 0 else {}),
  )
print('address', cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope='module')
def cluster(tmp_path_factory):
  """The environment of a process that finds the cluster."""
  log = (tmp_path_factory.mktemp('ray') / 'log.txt').open('w')
  settings = {'RAY_USAGE_STATS_ENABLED': '0', 'RAY_AUTH_MODE': 'disabled'}
  process = subprocess.Popen(
    [sys.executable, '-c', CLUSTER],
    env=os.environ | settings | {'TPU_NAME': 'slice'},
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=log,
    text=True,
  )
  for line in process.stdout:
    if line.startswith('address '):
      break
  yield settings | {'RAY_ADDRESS': line.split()[1]}
  with process:  # Closes the pipes too.
    process.communicate('')
  log.close()


@pytest.fixture
def far(lab, cluster):
  """Starts the command with the cluster's address."""

  def start(*arguments):
    return subprocess.Popen(
      [sys.executable, '-c', DRIVER, *arguments],
      env=lab.environment | cluster,
      cwd=lab.root,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  return start


DRIVER = """
import sys
from paramspace import cli
code = cli.main()
assert 'jax' not in sys.modules
sys.exit(code)
"""


def end(process):
  with process:
    shown = process.communicate(timeout=120)[0]
  return process.returncode, shown


def test_a_killed_actor_is_replaced_and_the_bits_are_the_same(lab, far):
  assert lab.command('sweep', lab.config, '--workdir=calm') == errors.DONE
  (lab.root / 'started.txt').unlink()
  text = (lab.root / 'toy_study.py').read_text()
  text = text.replace('bar.advance()', 'time.sleep(0.3); bar.advance()')
  lab.write(
    'toy_study.py', text.replace('import signal', 'import signal, time')
  )

  call = ['sweep', lab.config, '--executor=ray', '--workdir=storm']
  launcher = far(*call, '--config.execution.checkpoint_every=1')
  until = time.monotonic() + 60
  while not (found := list(lab.root.glob('storm/runs/*/manifests/*.json'))):
    assert time.monotonic() < until and launcher.poll() is None
    time.sleep(0.01)
  worker = leases.live(found[0].parents[1]).pid
  stat = pathlib.Path(f'/proc/{worker}/stat').read_text()
  os.kill(int(stat.rpartition(')')[2].split()[1]), signal.SIGKILL)

  code, shown = end(launcher)
  assert code == errors.DONE, shown
  assert 'ended with 137; starting it again (1 of 3)' in shown
  assert lab.results('storm') == lab.results('calm')
  assert sorted(set(lab.started)) == ['0', '1', '2'] and len(lab.started) == 4


def test_a_point_has_all_hosts_of_a_slice(lab, far):
  lab.write(
    'toy_slice.py',
    """
    import os

    import jax
    from jax.experimental import multihost_utils

    def run(config, run):
      mine = 10 ** jax.process_index()
      total = multihost_utils.process_allgather(jax.numpy.int32(mine)).sum()
      return {"total": int(total)}
    """,
  )
  call = ['sweep', lab.config, '--executor=ray', '--config.study=toy_slice']
  text = (lab.root / lab.config).read_text().replace('range(3)', 'range(1)')
  lab.write(lab.config, text)
  call += ['--resource=topology=2x2x2', '--resource=version=v4']
  code, shown = end(far(*call, '--workdir=storm'))
  assert code == errors.DONE, shown
  (found,) = lab.root.glob('storm/runs/*/result.json')
  assert records.read(found)['result']['total'] == 11


def test_resources_that_no_node_has_are_one_line(lab, far):
  call = ['sweep', lab.config, '--executor=ray', '--resource=GPU=8']
  code, shown = end(far(*call))
  assert code == errors.USAGE
  assert 'has no 1 nodes with' in shown and 'Traceback' not in shown
