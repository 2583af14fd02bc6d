"""Two processes of two devices train one point, by the command line."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import metrics
from paramspace.launch import records

STUDY = '''
"""Gradient descent whose parameters are split over all devices."""

import functools
import hashlib
import pathlib
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import sharding
from paramspace.launch import errors

SIZE = 16


def load(config, t, part):
  """Examples of a batch, which is a function of (seed, step)."""
  whole = np.random.Generator(np.random.Philox(key=[config.seed, t]))
  return whole.normal(size=(8, SIZE)).astype(np.float32)[part]


def harm(config, t):
  """Sends one process a signal, once; returns how slow to be from now on."""
  marker = pathlib.Path('harmed')
  name, at, to = (config.execution[k] for k in ('harm', 'at', 'to'))
  if name and (t, jax.process_index()) == (at, to) and not marker.exists():
    marker.touch()
    signal.raise_signal(getattr(signal, name))
    return 0.5  # JAX looks once a second whether there was one.
  return 0.0


def run(config, run):
  mesh = sharding.mesh()
  state = {'w': jnp.ones((SIZE, 4)) / 7, 'key': jax.random.key(config.seed)}
  layout = sharding.fsdp(state, mesh, min_size=1)
  assert layout['w'].spec == jax.P('data', None)

  @functools.partial(jax.jit, out_shardings=(layout, None))
  def step(state, batch):
    key, other = jax.random.split(state['key'])
    noise = jax.random.normal(other, state['w'].shape)
    loss = lambda w: jnp.mean((jnp.tanh(batch @ w) - 0.5) ** 2)
    value, grad = jax.value_and_grad(loss)(state['w'])
    return {'w': state['w'] - grad + 0.1 * noise, 'key': key}, value

  state = sharding.place(state, layout)
  pause = 0.0
  t, state = run.checkpoints.restore(state) or (0, state)
  while t < config.steps:
    batch = sharding.batch(
      mesh, (8, SIZE), lambda part: load(config, t, part)
    )
    state, loss = step(state, batch)
    t += 1
    run.log(t, loss=loss)
    pause = pause or harm(config, t)
    time.sleep(pause)
    stop = run.should_stop(t)
    if stop or t % config.execution.checkpoint_every == 0:
      run.checkpoints.save(t, state)
    if stop:
      raise errors.Preempted(f'Saved at step {t}.')
  whole = jax.jit(lambda x: x, out_shardings=sharding.replicated(mesh))
  w = np.asarray(whole(state['w']))
  return {
    'digest': hashlib.sha256(w.tobytes()).hexdigest(),
    'norm': float(np.linalg.norm(w)),
    'processes': jax.process_count(),
    'devices': len(mesh.devices),
  }
'''

CONFIG = '''
"""Eight steps."""

import ml_collections


def get_config(scale='laptop'):
  config = ml_collections.ConfigDict()
  config.study = 'toy_split'
  config.scale = scale
  config.seed = 0
  config.steps = 8
  config.execution = dict(
    log_every=2, checkpoint_every=100, harm='', at=0, to=0
  )
  return config
'''


class Pair:
  """A folder in which processes run one config.

  Attributes:
    root: The folder.
  """

  def __init__(self, root):
    self.root = root
    (root / 'toy_split.py').write_text(STUDY)
    (root / 'split.py').write_text(CONFIG)

  def start(self, devices, *options, verb='run'):
    """Starts a process of so many devices."""
    call = ['paramspace', verb, 'split.py', '--workdir=w', *options]
    return subprocess.Popen(
      [sys.executable, '-m', *call],
      env=os.environ
      | {
        'PYTHONPATH': os.pathsep.join([os.getcwd(), str(self.root)]),
        'JAX_PLATFORMS': 'cpu',
        'JAX_NUM_CPU_DEVICES': str(devices),
        distributed.HEARTBEAT: '3',
      },
      cwd=self.root,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )

  def both(self, *options):
    """Runs two processes; returns their exit codes and what they printed."""
    with socket.socket() as free:
      free.bind(('127.0.0.1', 0))
      port = free.getsockname()[1]
    processes = [
      self.start(2, f'--distributed=127.0.0.1:{port},2,{i}', *options)
      for i in range(2)
    ]
    texts = [p.communicate(timeout=60)[0] for p in processes]
    return [p.returncode for p in processes], '\n---\n'.join(texts)

  @property
  def folder(self):
    (found,) = (self.root / 'w' / 'runs').iterdir()
    return found

  @property
  def result(self):
    return records.read(self.folder / 'result.json')['result']

  @property
  def steps(self):
    """The steps in the metrics, in their order."""
    return [row['step'] for row in metrics.read(self.folder / 'metrics.jsonl')]


def execution(**values):
  return [f'--config.execution.{k}={v}' for k, v in values.items()]


@pytest.fixture(scope='module')
def calm(tmp_path_factory):
  """What two processes end with when nothing happens to them."""
  pair = Pair(tmp_path_factory.mktemp('calm'))
  codes, text = pair.both()
  assert codes == [errors.DONE, errors.DONE], text
  return pair


@pytest.fixture
def pair(tmp_path):
  return Pair(tmp_path)


def test_two_processes_are_one_run_whose_files_process_0_writes(calm):
  assert (calm.result['processes'], calm.result['devices']) == (2, 4)
  assert calm.steps == list(range(1, 9))


def test_a_signal_to_one_stops_both_at_one_step_and_both_go_on(calm, pair):
  harm = execution(harm='SIGTERM', at=3, to=1)
  codes, text = pair.both(*harm)
  assert codes == [errors.PREEMPTED, errors.PREEMPTED], text
  (saved,) = {p.name for p in (pair.folder / 'ckpt').iterdir()}
  assert pair.steps == list(range(1, int(saved) + 1))
  assert 3 <= int(saved) < 8

  codes, text = pair.both(*harm)
  assert codes == [errors.DONE, errors.DONE], text
  assert pair.result == calm.result
  assert pair.steps == calm.steps


def test_damage_that_one_process_sees_sets_both_back(calm, pair):
  options = execution(harm='SIGTERM', at=5, to=0, checkpoint_every=2)
  codes, text = pair.both(*options)
  assert codes == [errors.PREEMPTED, errors.PREEMPTED], text
  newest = max((pair.folder / 'ckpt').iterdir(), key=lambda p: int(p.name))
  (part,) = newest.rglob('3.0')  # Of the last device, which is of process 1.
  content = bytearray(part.read_bytes())
  content[7] ^= 1
  part.write_bytes(content)

  codes, text = pair.both(*options)
  assert codes == [errors.DONE, errors.DONE], text
  assert (pair.folder / 'ckpt.damaged' / newest.name).is_dir()
  assert pair.result == calm.result
  assert pair.steps == calm.steps


def test_what_four_devices_saved_goes_on_with_two_and_with_one(
  calm, pair, tmp_path_factory
):
  harm = execution(harm='SIGINT', at=3, to=0)
  codes, text = pair.both(*harm)
  assert codes == [errors.PREEMPTED, errors.PREEMPTED], text
  for devices in (2, 1):
    other = Pair(tmp_path_factory.mktemp('other'))
    shutil.copytree(pair.root, other.root, dirs_exist_ok=True)
    process = other.start(devices, *harm)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == errors.DONE, text
    assert other.result['devices'] == devices
    assert other.result['norm'] == pytest.approx(calm.result['norm'], rel=1e-5)
    assert other.steps == calm.steps


def test_one_process_ends_where_two_do(calm, pair):
  process = pair.start(1)
  text, _ = process.communicate(timeout=60)
  assert process.returncode == errors.DONE, text
  assert pair.result['norm'] == pytest.approx(calm.result['norm'], rel=1e-5)
  losses = [
    [row['loss'] for row in metrics.read(p.folder / 'metrics.jsonl')]
    for p in (pair, calm)
  ]
  assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_survivor_of_a_killed_peer_aborts_and_both_go_on(calm, pair):
  harm = execution(harm='SIGKILL', at=5, to=1, checkpoint_every=2)
  codes, text = pair.both(*harm)
  assert codes == [-signal.SIGABRT, -signal.SIGKILL], text
  assert not (pair.folder / 'result.json').exists()
  assert not (pair.folder / 'error.log').exists()

  codes, text = pair.both(*harm)
  assert codes == [errors.DONE, errors.DONE], text
  assert pair.result == calm.result
  assert pair.steps == calm.steps


def test_the_launcher_starts_both_again_when_one_is_killed(calm, pair):
  harm = execution(harm='SIGKILL', at=5, to=1, checkpoint_every=2)
  call = ['--executor=local', '--jobs=1', '--hosts=2', *harm]
  launcher = pair.start(2, *call, verb='sweep')
  text, _ = launcher.communicate(timeout=120)
  assert launcher.returncode == errors.DONE, text
  assert 'ended with 137; starting it again (1 of 3)' in text or (
    'ended with 134; starting it again (1 of 3)' in text
  )
  assert pair.result == calm.result
  assert pair.steps == calm.steps


def test_what_both_raise_is_a_failure_like_any_other(pair):
  study = pair.root / 'toy_split.py'
  study.write_text(STUDY.replace('pause = 0.0', 'raise OSError("no quota")', 1))
  codes, text = pair.both()
  assert codes == [errors.FAILED, errors.FAILED], text
  assert 'OSError: no quota' in (pair.folder / 'error.log').read_text()
