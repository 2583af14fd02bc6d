"""How much of a fine-tuning's delta may be dropped, and how.

A point prunes the delta of one encoder, by one method, at all rates. What draws
at random is drawn several times. Where a method has something to choose, that
is chosen for each rate on validation texts, or on what training texts are
turned into, without their labels.

References:
  Yu et al, 2023, Language Models are Super Mario,
  https://arxiv.org/abs/2311.03099. Deng et al, 2024, DARE the Extreme,
  https://arxiv.org/abs/2410.09344.
"""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from experiments.sentence_finetuning import tuned
from paramspace import base
from paramspace import deltas
from paramspace import merging
from paramspace import resolve
from paramspace.launch import errors

Config = ml_collections.ConfigDict
Choose = Callable[[float], deltas.Prune]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Prunes at every rate, and measures.

  Args:
    config: See `configs/deltas/minilm_drop_rate.py`.
    run: A `launch.run.Run`.

  Returns:
    The mean accuracy on the test for each rate, `accuracies`; that of the
    pretrained and of the fine-tuned encoder, on all texts of the fine-tuning's
    test; the q of each rate, its mean over rows, for methods that have one; the
    root mean square of the delta.
  """
  if config.method not in _METHODS:
    raise errors.UsageError(resolve.unknown('method', config.method, _METHODS))
  bench = tuned.bench(config)
  optimizer = config.tunings[config.tuning].to_dict()
  (model,) = tuned.ensure(
    run, [tuned.finetuning(config, config.task, config.seed, **optimizer)]
  )
  origin = bench.encoder.params
  delta = deltas.subtract(model.params, origin)
  judge = functools.partial(tuned.accuracy, bench, config.task, model.head)
  choose, draws = _METHODS[config.method](config, bench, model, delta)
  accuracies, chosen = [], []
  with run.progress(
    len(config.rates), f'{config.task}, {config.method}'
  ) as bar:
    for rate in config.rates:
      prune, q = choose(rate)
      keys = jax.random.split(jax.random.key(config.seed), draws)
      found = [judge(deltas.add(origin, prune(k, delta)), 'test') for k in keys]
      accuracies.append(statistics.mean(found))
      chosen.append(q)
      bar.advance(1, accuracy=accuracies[-1])
  return {
    'accuracies': accuracies,
    'q': chosen,
    'pretrained': model.pretrained,
    'tuned': model.tuned,
    'delta_rms': _rms(delta),
  }


def _rms(delta: base.Params) -> float:
  squares = sum(float((x**2).sum()) for x in delta.values())
  return (squares / sum(x.size for x in delta.values())) ** 0.5


def _dare(config, bench, model, delta):
  del bench, model, delta
  return lambda rate: (deltas.drop(rate), 1 - rate), config.draws


def _drop_only(config, bench, model, delta):
  del bench, model, delta
  return lambda rate: (deltas.drop(rate, None), 1.0), config.draws


def _magnitude(config, bench, model, delta):
  del config, bench, model, delta
  return lambda rate: (deltas.trim(1 - rate, scope='global'), 1.0), 1


def _by_score(config, bench, model, delta):
  """DAREx-q, with the labels of the validation."""
  score = functools.partial(
    tuned.accuracy, bench, config.task, model.head, split='validation'
  )

  def choose(rate):
    found = deltas.tune_q_by_score(
      _search_key(config), bench.encoder.params, delta, rate, score
    )
    return deltas.drop_tuned(rate, found.q), found.q

  return choose, config.draws


def _by_change(config, bench, model, delta):
  """DAREx-q, by what training texts are turned into."""
  tokens = _texts(config, bench)
  encoder = bench.encoder

  def apply(params, inputs):
    tokens, frozen = inputs
    return encoder.embed(params, frozen, tokens)

  def choose(rate):
    found = deltas.tune_q_by_change(
      _search_key(config),
      encoder.params,
      delta,
      rate,
      apply,
      (tokens, encoder.frozen),
    )
    return deltas.drop_tuned(rate, found.q), found.q

  return choose, config.draws


def _analytic(config, bench, model, delta):
  """DAREx-q, by rows; eta is chosen by the labels of the validation."""
  means = _means(bench.encoder, model.params, _texts(config, bench))
  origin, key = bench.encoder.params, _search_key(config)

  def choose(rate):
    best = None
    for eta in config.etas:
      q = deltas.analytic_q(delta, rate, means, eta)
      prune = deltas.drop_tuned(rate, q)
      params = deltas.add(origin, prune(key, delta))
      score = tuned.accuracy(
        bench, config.task, model.head, params, 'validation'
      )
      if best is None or score > best[0]:
        best = score, prune, _mean(q)
    return best[1:]

  return choose, config.draws


def _search_key(config: Config) -> base.PRNGKey:
  """Returns a key that no mask which is measured is drawn from."""
  return jax.random.fold_in(jax.random.key(config.seed), 1)


def _texts(config: Config, bench: tuned.Bench) -> Any:
  train = bench.tasks[config.task].train
  return jax.tree.map(lambda x: x[: config.statistics_examples], train.tokens)


def _means(encoder: Any, params: base.Params, tokens: Any) -> dict:
  """Returns the mean input of every kernel, without padding."""

  @jax.jit
  def program(params, frozen):
    embed = lambda params, frozen: encoder.embed(params, frozen, tokens)
    inputs = merging.layer_inputs(embed, params, frozen)
    kept = tokens.mask[..., None].astype(jnp.float32)
    mean = lambda x: (x * kept).sum((0, 1)) / kept.sum()
    return jax.tree.map(mean, inputs)

  return program(params, encoder.frozen)


def _mean(q: base.Params) -> float:
  return statistics.mean(float(x.mean()) for x in q.values())


_METHODS = {
  'dare': _dare,
  'drop_only': _drop_only,
  'magnitude': _magnitude,
  'q_by_score': _by_score,
  'q_by_change': _by_change,
  'q_analytic': _analytic,
}
