"""Ways to find the element that moves one network near to another."""

import jax
import ml_collections
import optax

from experiments.mode_connectivity import _networks
from experiments.training import loop
from paramspace import base
from paramspace import matching
from paramspace import resolve
from paramspace import symmetry

Config = ml_collections.ConfigDict

BATCH = 1_000  # Of images whose activations are in memory.


def check(method: str) -> None:
  """Raises unless there is such a method."""
  if method not in _METHODS:
    raise ValueError(resolve.unknown('method', method, _METHODS))


def element(
  config: Config, network: _networks.Network, a: base.Params, b: base.Params
) -> symmetry.Element:
  """Returns what to act with on `b`, so that it comes near to `a`.

  Args:
    config: Has `method` and its options, as in `configs/matching/mnist_mlp.py`.
    network: Theirs.
    a: The parameters of a network.
    b: Those of another.
  """
  return _METHODS[config.method](config, network, a, b)


def batches(network: _networks.Network, examples: int) -> list[jax.Array]:
  """Returns the first images of the training set, in batches."""
  images = network.task.train.images[:examples]
  return [images[i : i + BATCH] for i in range(0, len(images), BATCH)]


def _none(config, network, a, b):
  del config, a, b
  return symmetry.identity(network.spec)


def _weight_matching(config, network, a, b):
  return matching.weight_matching(_key(config), network.spec, a, b).element


def _from_identity(config, network, a, b):
  """Matches weights as Ainsworth et al do: the start is the identity alone."""
  return matching.weight_matching(
    _key(config), network.spec, a, b, starts=('identity',)
  ).element


def _frank_wolfe(config, network, a, b):
  return matching.frank_wolfe(_key(config), network.spec, a, b).element


def _activation_matching(config, network, a, b):
  found = matching.activation_statistics(
    network.spec,
    network.hidden,
    a,
    b,
    batches(network, config.activation_examples),
  )
  return matching.activation_matching(network.spec, found).element


def _straight_through(config, network, a, b):
  options, train = config.straight_through, network.task.train
  count = len(train.labels)
  if not 1 <= options.batch_size <= count:
    raise ValueError(
      f'`straight_through.batch_size` must lie between 1 and {count}, got '
      f'{options.batch_size}.'
    )
  order = loop.batches(config.seed, 0, options.steps, count, options.batch_size)
  return matching.straight_through(
    _key(config),
    network.spec,
    lambda params, batch: network.task.loss(params, *batch),
    a,
    b,
    ((train.images[at], train.labels[at]) for at in order),
    optimizer=optax.sgd(options.learning_rate, momentum=0.9),
  ).element


def _key(config: Config) -> base.PRNGKey:
  return jax.random.key(config.seed)


_METHODS = {
  'none': _none,
  'weight_matching': _weight_matching,
  'from_identity': _from_identity,
  'activation_matching': _activation_matching,
  'straight_through': _straight_through,
  'frank_wolfe': _frank_wolfe,
}
