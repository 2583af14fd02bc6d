"""A language model in the two forms that are matched, and what measures it."""

import functools
import json
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import linen as nn

from experiments import models
from experiments.tasks import language
from experiments.tasks import temperature
from paramspace import base
from paramspace import matching
from paramspace import symmetry
from paramspace import trees

Config = ml_collections.ConfigDict

STREAM = 'params/Embed_0/embedding'  # A leaf that lies along the stream.


class Form(NamedTuple):
  """A way to write the model's function down.

  Attributes:
    apply: `(params, tokens) -> logits`.
    spec: Its symmetries, derived from its program.
    metric: `(params, windows by split) -> scalars`, as `temperature.scores`.
    sites: The names of the layers of all blocks: queries, keys and values, what
      attention writes to the stream, the units of the FFN, what that writes.
    preactivations: `(params, windows)` to what they compute, by site.
  """

  apply: Callable[[base.Params, jax.Array], jax.Array]
  spec: symmetry.Spec
  metric: Callable[[base.Params, dict[str, jax.Array]], dict[str, jax.Array]]
  sites: tuple[str, ...]
  preactivations: Callable[[base.Params, jax.Array], dict[str, jax.Array]]


class Bench(NamedTuple):
  """What all pairs of models share, compiled programs among it.

  Attributes:
    task: Data, model and loss.
    trained: The form that is trained, with layer norm.
    folded: That of `fold`, whose stream may rotate: RMSNorm has its place.
    splits: Windows by split, `[n, context + 1]`, evenly spaced in the text; the
      validation text is 'held_out'.
    windows: Those of the training text that statistics of channels are of.
  """

  task: language.Task
  trained: Form
  folded: Form
  splits: dict[str, jax.Array]
  windows: jax.Array


def make(config: Config) -> Bench:
  """Returns the bench of a config, the same one for the same arguments.

  Args:
    config: Has `data`, `model` and `windows`, as in
      `configs/matching/tinyshakespeare_gpt.py`.

  Raises:
    ValueError: If there is no such text or model, or its arguments are wrong.
  """
  options = {k: config[k].to_dict() for k in ('model', 'windows')}
  return _made(config.data, json.dumps(options, sort_keys=True))


def fold(spec: symmetry.Spec, params: base.Params) -> base.Params:
  """Returns the same function as that of a model with RMSNorm.

  Scales and biases of layer norms go into the kernels behind them, and what
  writes to the stream is centred.

  Args:
    spec: Of the form that is trained.
    params: Of that form, whose embedding is not tied to its head.
  """
  params = matching.fold_norms(
    spec, stream(spec), params, _norms(params), _writers(params)
  )
  return _renamed(params)


def stream(spec: symmetry.Spec) -> str:
  """Returns the name of the group of the residual stream."""
  return spec.leaves[STREAM][1].name


@functools.lru_cache(maxsize=1)
def _made(data: str, options: str) -> Bench:
  options = json.loads(options)
  task = language.make(data=data, model=options['model'])
  if options['model']['tied']:
    raise ValueError(
      '`model.tied` must be False: a head that is tied to the embedding cannot '
      'take the scale of the norm before it.'
    )
  params = jax.eval_shape(task.init, jax.random.key(0))
  folded = jax.eval_shape(
    functools.partial(fold, _derived(task.apply, params)), params
  )
  network = lambda **norm: models.make_language(
    vocabulary=params['params']['Embed_0']['embedding'].shape[0],
    **options['model'] | norm,
  )
  texts = {'train': task.train, 'held_out': task.validation, 'test': task.test}
  return Bench(
    task,
    _form(network(), params),
    _form(network(norm='rms'), folded),
    {
      split: _windows(tokens, options['windows'][split], task.context)
      for split, tokens in texts.items()
    },
    _windows(task.train, options['windows']['repair'], task.context),
  )


def _form(network: nn.Module, params: base.Params) -> Form:
  apply = lambda params, x: network.apply(params, x.astype(jnp.int32))
  kernels = trees.match(params, r'.*/Block_\d+/Dense_\d/kernel')
  sites = tuple(name.removesuffix('/kernel') for name in kernels)

  def preactivations(params, windows):
    _, found = network.apply(
      params,
      windows[:, :-1].astype(jnp.int32),
      capture_intermediates=True,
      mutable='intermediates',
    )
    layers = trees.named(found['intermediates'])
    of = lambda site: layers[f'{site.removeprefix("params/")}/__call__/0']
    return {site: of(site) for site in sites}

  def metric(params, splits):
    logits = {name: apply(params, x[:, :-1]) for name, x in splits.items()}
    labels = {name: x[:, 1:].astype(jnp.int32) for name, x in splits.items()}
    return temperature.scores(logits, labels)

  return Form(apply, _derived(apply, params), metric, sites, preactivations)


def _derived(apply: Callable[..., jax.Array], params: Any) -> symmetry.Spec:
  return symmetry.derive(apply, params, jnp.zeros((1, 2), jnp.uint8))


def _windows(tokens: jax.Array, count: int, context: int) -> jax.Array:
  starts = np.linspace(0, len(tokens) - 1 - context, count).astype(np.int32)
  return language.windows(tokens, starts, context)


def _norms(params: base.Params) -> list[matching.Norm]:
  """Returns the norms, each with the layer that reads from it."""
  blocks = [f'params/{name}' for name in params['params'] if 'Block' in name]
  pairs = [
    (f'{block}/LayerNorm_{k}', f'{block}/Dense_{2 * k}')
    for block in blocks
    for k in range(2)
  ]
  return [
    matching.Norm(
      f'{norm}/scale', {f'{layer}/kernel': f'{layer}/bias'}, f'{norm}/bias'
    )
    for norm, layer in [*pairs, ('params/LayerNorm_0', 'params/Dense_0')]
  ]


def _writers(params: base.Params) -> list[str]:
  """Returns the leaves whose values are added to the stream."""
  pattern = r'.*/(embedding|position)|.*/Block_\d+/Dense_[13]/.*'
  return trees.match(params, pattern)


def _renamed(tree: Any) -> Any:
  """Returns the tree with RMSNorms in the place of folded layer norms."""
  if not isinstance(tree, dict):
    return tree
  return {
    name.replace('LayerNorm', 'RMSNorm'): (
      {'scale': x['scale']} if 'LayerNorm' in name else _renamed(x)
    )
    for name, x in tree.items()
  }
