"""What surviving costs: in a training loop, at the start, and in planning."""

import itertools
import pathlib
import statistics
import time
from collections.abc import Callable

import jax
import ml_collections
import numpy as np
import optax

from experiments import models
from experiments.benchmarks import clock
from experiments.benchmarks.chaos import _checks
from experiments.benchmarks.chaos import _command
from paramspace.launch import run as runs

_EVERY = 100  # Steps between two checkpoints, and two rows of metrics.
_BATCH = 128
# Model and steps of a round: about as many seconds for each.
_LOOPS = {
  'fc': (dict(name='fc', depth=2, width=200), 3000),
  'lenet': (dict(name='lenet'), 300),
}
_STARTS = 5
_SWEEP = """
def sweep(scale='laptop'):
  seeds = axes.over('seed', range(2_500))
  return axes.product(seeds, axes.over('dim', (50, 100, 200, 400)))
"""


def run(config: ml_collections.ConfigDict, folder: pathlib.Path) -> list[dict]:
  """Measures the loop of two models, the start, and a large dry run.

  Args:
    config: `target`, `rounds`.
    folder: An empty directory.

  Returns:
    The checks.
  """
  loops = [
    check
    for name in _LOOPS
    for check in _loop(name, config.rounds, folder / name)
  ]
  return loops + _start(config, folder) + _plan(config, folder)


def _loop(name: str, rounds: int, folder: pathlib.Path) -> list[dict]:
  """Times the bare loop and the one with metrics and checkpoints in turn."""
  step, start = _program(_LOOPS[name][0])
  steps, turns = _LOOPS[name][1], itertools.count()

  def bare():
    state = start()
    for t in range(steps):
      state, _ = step(state, t)
    return state

  def full():
    state = start()
    one = runs.Run(folder / str(next(turns)), ml_collections.ConfigDict())
    one.start({}, resume=False)
    for t in range(1, steps + 1):
      state, loss = step(state, t)
      if t % _EVERY == 0:
        one.log(t, loss=loss)
        one.checkpoints.save(t, state)
      one.should_stop(t)
    one.close()
    return state

  seconds = clock.interleaved({'bare': bare, 'full': full}, rounds)
  ratios = seconds['full'] / seconds['bare']
  ms = 1e3 * float(np.median(seconds['bare'])) / steps
  added = float(np.median(seconds['full'] - seconds['bare']))
  return [
    _checks.at_most(
      f'{name}: time with checkpoints and metrics over the bare loop',
      round(float(np.median(ratios)), 4),
      1.03,
      f'overhead_{name}',
    ),
    {
      'check': f'{name}: lowest and highest round',
      'found': f'{ratios.min():.3f} to {ratios.max():.3f}',
    },
    {'check': f'{name}: ms of a bare step', 'found': round(ms, 3)},
    {
      'check': f'{name}: ms added by a checkpoint with its row',
      'found': round(1e3 * added * _EVERY / steps, 2),
    },
  ]


def _program(model: dict) -> tuple[Callable, Callable]:
  """Returns a step of Adam on random images, and what makes its first state."""
  network = models.make(classes=10, **model)
  images = jax.random.normal(jax.random.key(0), (2048, 28, 28, 1))
  labels = jax.random.randint(jax.random.key(1), (2048,), 0, 10)
  optimizer = optax.adam(1e-3)

  def loss(params, x, y):
    logits = network.apply({'params': params}, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

  @jax.jit
  def start():
    params = network.init(jax.random.key(2), images[:1])['params']
    return {'params': params, 'optimizer': optimizer.init(params)}

  def step(state, t):
    at = jax.lax.rem(t * _BATCH, 2048)
    x, y = (
      jax.lax.dynamic_slice_in_dim(a, at, _BATCH) for a in (images, labels)
    )
    value, grad = jax.value_and_grad(loss)(state['params'], x, y)
    updates, optimizer_state = optimizer.update(grad, state['optimizer'])
    params = optax.apply_updates(state['params'], updates)
    return {'params': params, 'optimizer': optimizer_state}, value

  return jax.jit(step, donate_argnums=0), start


def _start(
  config: ml_collections.ConfigDict, folder: pathlib.Path
) -> list[dict]:
  """Times `paramspace run` from the shell to the first row of metrics."""
  seconds = []
  for i in range(_STARTS + 1):
    workdir = folder / f'start{i}'
    call = ['run', config.target, f'--workdir={workdir}', f'--config.seed={i}']
    began = time.perf_counter()
    command = _command.Command(
      [*call, '--config.execution.log_every=1'], folder / 'start.log'
    )
    while not any(
      p.stat().st_size for p in workdir.glob('runs/*/metrics.jsonl')
    ):
      time.sleep(0.005)
    seconds.append(time.perf_counter() - began)
    command.kill()
  return [
    {
      'check': 's from shell to first step, first time',
      'found': round(seconds[0], 2),
    },
    _checks.at_most(
      's from shell to first step, then',
      round(statistics.median(seconds[1:]), 2),
      4,
      'first_step_s',
    ),
  ]


def _plan(
  config: ml_collections.ConfigDict, folder: pathlib.Path
) -> list[dict]:
  """Times the dry run of ten thousand points."""
  path = folder / 'configs' / 'chaos' / 'many.py'
  path.parent.mkdir(parents=True)
  text = pathlib.Path(config.target).read_text()
  path.write_text(text[: text.index('\ndef sweep(')] + _SWEEP)
  checks = []
  for executor in ('vmapped', 'local'):
    seconds = []
    for _ in range(3):
      began = time.perf_counter()
      command = _command.Command(
        ['sweep', path, '--dry-run', f'--executor={executor}'],
        folder / f'{executor}.log',
      )
      command.wait()
      seconds.append(time.perf_counter() - began)
    checks.append(
      _checks.exactly(
        f'{executor}: points of the dry run',
        '10000 of 10000 points missing' in command.printed,
        True,
      )
    )
    name = f'{executor}: s of a dry run of 10,000 points'
    middle = round(statistics.median(seconds), 2)
    checks.append(_checks.at_most(name, middle, 3, f'dry_run_{executor}_s'))
  return checks
