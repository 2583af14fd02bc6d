"""Residual networks with batch norm, permuted onto each other.

A point is a pair of networks that were trained apart. The second is permuted to
be near the first, and the straight line between the two is measured, with the
interpolated batch statistics and with those that its points have:

  none         as they were trained
  weights      after weight matching
  activations  after activation matching, by correlation
  *_reset      statistics estimated again at each point

References:
  Ainsworth et al, 2022, Git Re-Basin, https://arxiv.org/abs/2209.04836. Jordan
  et al, 2022, REPAIR, https://arxiv.org/abs/2211.08403.
"""

from typing import Any

import jax
import ml_collections

from experiments import connections
from experiments import tasks
from experiments.resnet_matching import _bench
from experiments.resnet_matching import training
from paramspace import base
from paramspace import matching
from paramspace import probes
from paramspace import symmetry
from paramspace import trees
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains two networks, permutes one, and measures the lines.

  Args:
    config: See `configs/matching/cifar10_resnet20.py`.
    run: A `launch.run.Run`.

  Returns:
    By way, what `connections.measured` says of the line; the number of
    parameters, D.
  """
  with errors.usage():
    bench = _bench.make(config)
    _check(config, bench)
  seeds = config.seed, (config.seed + 1) % config.models
  a, b = training.ensure(run, config, seeds)
  splits = {
    'train': _first(bench.task.train, config.measured.train),
    'held_out': bench.held_out,
    'test': _first(bench.task.test, config.measured.test),
  }
  batches = _batches(bench, config.statistics, config.batch_size)
  reset = probes.fresh_batch_stats(bench.update, batches)
  paths = {}
  for name, moved in _moved(config, bench, a, b).items():
    for ending, prepare in (('', _as_it_is), ('_reset', reset)):
      path = probes.line(
        bench.metric,
        a,
        moved,
        steps=config.points,
        data=splits,
        prepare=prepare,
      )
      paths[f'{name}{ending}'] = connections.measured(path)
  done = all(map(connections.finite, paths.values()))
  return {
    'status': 'done' if done else 'diverged',
    'paths': paths,
    'D': trees.size(a['params']),
    'data_digest': bench.task.digest,
  }


def _moved(
  config: Config, bench: _bench.Bench, a: base.Params, b: base.Params
) -> dict[str, base.Params]:
  """Returns the second network by way."""
  key, spec = jax.random.key(config.seed), bench.spec
  weights = matching.weight_matching(key, spec, a, b, exclude=r'batch_stats/.*')
  statistics = matching.activation_statistics(
    spec,
    bench.hidden,
    a,
    b,
    _batches(bench, config.activations, config.batch_size),
  )
  activations = matching.activation_matching(spec, statistics)
  return {
    'none': b,
    'weights': symmetry.act(spec, weights.element, b),
    'activations': symmetry.act(spec, activations.element, b),
  }


def _as_it_is(variables: base.Params) -> base.Params:
  # Points are prepared outside of a program: one after another, not by a scan,
  # in which convolutions are slow on CPU.
  return variables


def _first(split: tasks.Split, count: int) -> tasks.Split:
  return tasks.Split(*(x[:count] for x in split))


def _batches(bench: _bench.Bench, count: int, size: int) -> list[jax.Array]:
  """Returns the first images of the training set, batch by batch."""
  images = bench.task.train.images
  return [images[k : k + size] for k in range(0, count, size)]


def _check(config: Config, bench: _bench.Bench) -> None:
  counts = {
    'statistics': config.statistics,
    'activations': config.activations,
    'measured.train': config.measured.train,
  }
  for name, count in counts.items():
    if not 1 <= count <= config.examples:
      raise ValueError(
        f'`{name}` must lie between 1 and `examples` = {config.examples}, got '
        f'{count}.'
      )
  most = len(bench.task.test.labels)
  if not 1 <= config.measured.test <= most:
    raise ValueError(
      f'`measured.test` must lie between 1 and {most}, got '
      f'{config.measured.test}.'
    )
