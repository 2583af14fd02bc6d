"""What merging costs, at a size where that says nothing."""

import pathlib

import jax
import numpy as np
import pytest
from matplotlib import figure

from experiments.benchmarks import merging as benchmark
from experiments.benchmarks.merging import methods
from experiments.benchmarks.merging import peer
from experiments.figures import digits_tasks
from experiments.figures import merging_speed
from paramspace import merging
from paramspace.launch import config as configs
from paramspace.launch import errors

ROOT = pathlib.Path(__file__).parents[2]
MODULE = configs.load(ROOT / 'configs' / 'benchmarks' / 'merging.py')
NAMES = ('linear', 'ties', 'dare_ties')
with_peer = pytest.mark.skipif(
  peer.version() is None, reason='needs mergekit, a benchmark extra'
)


def measured(names):
  found = []
  for name in names:
    one = MODULE.get_config('smoke')
    one.method = name
    result = benchmark.run(one.lock(), None)
    config = configs.flatten(one)
    found.append({'status': 'done', 'config': config, 'result': result})
  return found


@pytest.fixture(scope='module')
def results():
  """A part of the sweep at its smallest, without the peer."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(peer, 'version', lambda: None)
    return measured(NAMES)


def test_without_the_peer_ours_is_measured_and_the_way_to_it_is_told(results):
  summary = merging_speed.summary(results)
  for name in NAMES:
    for definition in methods.METHODS[name].recipes:
      assert summary[f'{name}/{definition}/mparams_s'] > 0
      ratio, low, high = summary[f'{name}/{definition}/of_copy']
      assert 0 < low <= ratio <= high
  assert not any(key.endswith('/times') for key in summary)
  assert all("'paramspace[benchmark]'" in r['result']['peer'] for r in results)


def test_every_method_is_in_the_sweep():
  swept = [point['method'] for point in MODULE.sweep()]
  assert sorted(swept) == sorted(methods.METHODS)


def test_models_are_what_is_said_and_any_two_differ():
  models = benchmark.parameters(MODULE.get_config('smoke'))
  assert list(models) == ['base', 'm1', 'm2', 'm3']
  leaves = [x for tree in models.values() for x in tree.values()]
  assert {x.shape for x in leaves} == {(32, 32)}
  assert len({float(x[0, 0]) for x in leaves}) == len(leaves)


def test_a_method_that_is_not_there_is_an_error():
  one = MODULE.get_config('smoke')
  one.method = 'tie'
  with pytest.raises(errors.UsageError, match="did you mean 'ties'"):
    benchmark.run(one, None)


def test_the_figure_has_the_speeds_that_there_are(results):
  axes = figure.Figure().subplots()
  merging_speed.draw(merging_speed.table(results), axes)
  axes.figure.draw_without_rendering()
  (legend,) = axes.figure.legends
  labels = [text.get_text() for text in legend.get_texts()]
  assert labels == ['ours, as mergekit', 'ours, as the paper']
  ticks = [text.get_text() for text in axes.get_xticklabels()]
  assert ticks == [digits_tasks.title(name) for name in NAMES]


def test_a_pass_reads_all_models():
  models = benchmark.parameters(MODULE.get_config('smoke'))
  tuned = {n: x for n, x in models.items() if n != 'base'}
  got = benchmark.read_all(models['base'], tuned)
  expected = jax.tree.map(lambda *xs: np.sum(xs, 0), *models.values())
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6),
    got,
    expected,
  )


@with_peer
def test_with_the_peer_the_results_are_the_same():
  results = measured(methods.METHODS)
  summary = merging_speed.summary(results)
  assert {claim.quantity for claim in MODULE.claim()} < set(summary)
  for result in results:
    for row in result['result']['rows']:
      assert 0 < row['times_low'] <= row['times'] <= row['times_high']
      if 'difference' in row:
        assert row['difference'] < 1e-4, row


@with_peer
def test_the_peer_keeps_as_many_of_those_that_are_drawn():
  one = MODULE.get_config('smoke')
  one.side = 256
  models = benchmark.parameters(one)
  base = models.pop('base')
  tuned = {'m1': models['m1']}
  for name in ('dare_ties', 'della'):
    method = methods.METHODS[name]
    theirs = peer.arrays(peer.merge(method, name, base, tuned)())
    ours = merging.merge(
      base, tuned, method.recipes['mergekit'], key=benchmark.KEY
    )
    for leaf, x in base.items():
      kept = lambda out, leaf=leaf, x=x: np.mean(np.asarray(out[leaf]) != x)
      np.testing.assert_allclose(kept(ours), kept(theirs), atol=0.02)
