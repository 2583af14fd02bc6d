"""A small laboratory: a study, its figure and its config, in a new folder."""

import os
import pathlib
import subprocess
import sys
import textwrap
from typing import NamedTuple

import pytest

import paramspace
from paramspace import cli
from paramspace.launch import records

ROOT = pathlib.Path(paramspace.__file__).parents[1]

STUDY = '''
"""Walks to the target at random; `harm` says what hits it, and when."""

import pathlib
import signal

import jax
import jax.numpy as jnp

from paramspace.launch import errors

VMAPPABLE = ('seed', 'rate')


@jax.jit
def step(state):
  def move(x, key, rate):
    noise = jax.random.normal(jax.random.fold_in(key, 1), x.shape)
    return x - rate * (x + noise), jax.random.split(key)[0]

  x, key = jax.vmap(move)(state['x'], state['key'], state['rate'])
  return {'x': x, 'key': key, 'rate': state['rate']}


def harm(config, t):
  """Sends this process a signal, once in the life of the folder."""
  marker = pathlib.Path('harmed')
  if config.execution.harm and t == config.execution.at and not marker.exists():
    marker.touch()
    signal.raise_signal(getattr(signal, config.execution.harm))


def train(configs, run, log):
  """The loop that both forms share."""
  config = configs[0]
  with open('started.txt', 'a') as file:
    print(*(c.seed for c in configs), file=file)
  seeds = jnp.array([c.seed for c in configs])
  state = {
    'x': jnp.ones((len(configs), 3)),
    'key': jax.vmap(jax.random.key)(seeds),
    'rate': jnp.array([c.rate for c in configs]),
  }
  t = 0
  found = run.checkpoints.restore(state)
  if found:
    t, state = found
  with run.progress(config.steps, 'walk') as bar:
    while t < config.steps:
      state, t = step(state), t + 1
      log(t, (state['x'] ** 2).sum(axis=1))
      bar.advance()
      if t % config.execution.checkpoint_every == 0:
        run.checkpoints.save(t, state)
      harm(config, t)
      if run.should_stop(t):
        run.checkpoints.save(t, state)
        raise errors.Preempted
  norms = (state['x'] ** 2).sum(axis=1)
  finite = [bool(jnp.isfinite(n)) for n in norms]
  return [
    {'norm': float(n), 'status': 'done' if ok else 'diverged'}
    for n, ok in zip(norms, finite)
  ]


def run(config, run):
  return train([config], run, lambda t, x: run.log(t, norm=x[0]))[0]


def run_batch(configs, run):
  assert len(configs) == run.size
  return train(configs, run, lambda t, x: run.log(t, norm=x))
'''

CONFIG = '''
"""Three seeds of the walk."""

import ml_collections

from paramspace.launch import claims

FIGURE = 'toy_figure'


def get_config(scale='laptop'):
  config = ml_collections.ConfigDict()
  config.study = 'toy_study'
  config.scale = scale
  config.seed = 0
  config.rate = 0.1
  config.steps = {'smoke': 3, 'laptop': 6, 'paper': 9}[scale]
  config.method = dict(name='walk', dims=(3,), bias=True)
  config.execution = dict(group_size=0, checkpoint_every=100, harm='', at=0)
  return config


def sweep():
  for seed in range(3):
    yield {'seed': seed}


def claim():
  return claims.Claim('mean', 2.0, 1.3, 0.01, 'Nobody 1900, Table 1')
'''

FIGURE = """
def table(results):
  return [{'seed': r['config']['seed'], **r['result']} for r in results]


def summary(results):
  norms = [r['result']['norm'] for r in results]
  return {'mean': (sum(norms) / len(norms), min(norms), max(norms))}


def draw(rows, axes):
  axes.plot([r['seed'] for r in rows], [r['norm'] for r in rows], label='norm')
  axes.legend()
"""


def pytest_itemcollected(item):
  """What processes leave has the bits of what is run here."""
  item.add_marker('optimized')


class Lab(NamedTuple):
  """A folder with a study and a config, and the command in it.

  Attributes:
    root: The folder, which is the working directory.
    config: The config file, relative to it.
  """

  root: pathlib.Path
  config: str = 'configs/toy/walk.py'

  def write(self, path, text):
    target = self.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(textwrap.dedent(text))
    return str(path)

  def command(self, *arguments):
    """Runs the command in this process; returns its exit code."""
    return cli.main([str(a) for a in arguments])

  def process(self, *arguments):
    """Runs the command in a process of its own; returns what is left of it."""
    return subprocess.run(
      [sys.executable, '-m', 'paramspace', *map(str, arguments)],
      env=self.environment,
      cwd=self.root,
      capture_output=True,
      text=True,
    )

  @property
  def environment(self):
    """That of a process which finds the package and this folder."""
    return os.environ | {
      'PYTHONPATH': str(ROOT),
      'JAX_PLATFORMS': 'cpu',
      'PARAMSPACE_LEASE_SECONDS': '1',
    }

  @property
  def started(self):
    """The seeds of every program that was started, a line each."""
    return (self.root / 'started.txt').read_text().splitlines()

  def results(self, workdir):
    """Results and metrics, as bytes, by point."""
    return {
      p.name: (
        records.read(p / 'result.json')['result'],
        (p / 'metrics.jsonl').read_bytes(),
      )
      for p in (self.root / workdir / 'runs').iterdir()
      if (p / 'result.json').exists()
    }


@pytest.fixture
def lab(tmp_path, monkeypatch):
  """An empty laboratory's folder with the toy study and its config."""
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(str(tmp_path))
  made = Lab(tmp_path)
  made.write('toy_study.py', STUDY)
  made.write('toy_figure.py', FIGURE)
  made.write(made.config, CONFIG)
  yield made
  for name in [n for n in sys.modules if n.startswith('toy_')]:
    del sys.modules[name]
