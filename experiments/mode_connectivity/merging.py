r"""Networks of different tasks merged, their units matched first or not.

Each of M networks is trained on its own part of the data, in which some classes
are frequent and others are rare or absent, and asked all classes once merged.
Model merging begins with one network for all. Here the networks share no
initialisation, unless `together`, the control.

Of networks that did not begin together, what is the base, and what a delta? A
delta is what training changed, delta_i = theta_i - theta_i^0, and a permutation
moves a network and its initialisation alike. So with pi_1 = 1 and pi_i found
from the trained weights, or activations, to bring theta_i near to theta_1,

  base = 1/M sum_i pi_i(theta_i^0),  delta_i = pi_i(theta_i) - pi_i(theta_i^0),
  theta = base + scale recipe(delta_1, ..., delta_M).

Where all begin together and nothing is permuted, this is the papers' own. The
average is the mean of the networks, whatever the base is, and so is task
arithmetic with the scale 1/M. TIES is not blind to it: a delta from a common
base would be mostly the difference of initialisations, which is what its trim
would keep.

References:
  Ainsworth et al, 2023, Git Re-Basin, https://arxiv.org/abs/2209.04836, Section
  5.4, merges networks of skewed halves of a data set. Jordan et al, 2022,
  REPAIR, https://arxiv.org/abs/2211.08403. Ilharco et al, 2022,
  https://arxiv.org/abs/2212.04089, for task arithmetic. Yadav et al, 2023,
  TIES-Merging, https://arxiv.org/abs/2306.01708.

Note: Nobody has drawn this. Activations, and the statistics that REPAIR sets,
  are measured on training images of all classes, without their labels.
"""

import functools
import json
import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import _ways
from experiments.mode_connectivity import parted
from paramspace import base
from paramspace import deltas
from paramspace import matching
from paramspace import merging
from paramspace import symmetry
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains the networks, if that is not done, matches and merges them.

  Args:
    config: See `configs/matching/mnist_mlp_merging.py`.
    run: A `launch.run.Run`.

  Returns:
    Test accuracies over all classes: of each network, 'single'; of the mean of
    their probabilities, 'ensemble'; of the 'base'; and by recipe, in 'merged',
    'test', with 'held_out' and the 'scale' that was chosen by it; the distances
    of the networks from the first, before the permutation and after; sha256s.
  """
  with errors.usage():
    _ways.check(config.method)
    network = _networks.make(config)
    recipes = {
      name: _recipe(json.dumps(options.to_dict(), sort_keys=True))
      for name, options in config.recipes.items()
    }
  models = parted.ensure(
    run, [parted.point(config, *part) for part in _parts(config)]
  )
  with errors.usage():
    moved = _matched(config, network, models)
  tuned = [x.params for x in moved]
  origin, differences = _changes(moved)
  reset = _reset(config, network, tuned)
  merged = {
    name: _best(config, network, recipe, origin, differences, reset)
    for name, recipe in recipes.items()
  }
  test = network.task.test
  numbers = {
    'single': [float(network.evaluate(x, test).accuracy) for x in tuned],
    'ensemble': _ensemble(network, tuned),
    'base': float(network.evaluate(origin, test).accuracy),
  }
  accuracies = [x['test'] for x in merged.values()]
  apart = lambda xs: [_paths.distance(xs[0], x) for x in xs[1:]]
  return {
    'status': 'done' if all(map(math.isfinite, accuracies)) else 'diverged',
    **numbers,
    'merged': merged,
    'distance_before': apart([x.params for x in models]),
    'distance': apart(tuned),
    'data_digest': network.task.digest,
    'digest': manifest.digest(tuned),
  }


def _parts(config: Config) -> list[tuple[int, int]]:
  """Returns every part of the data, and the seed its network begins with.

  The first begins alike, with others or without, and so is trained once.
  """
  begin = lambda part: config.seed * config.parts + part * (not config.together)
  return [(part, begin(part)) for part in range(config.parts)]


def _matched(
  config: Config,
  network: _networks.Network,
  models: Sequence[parted.Trained],
) -> list[parted.Trained]:
  """Returns the networks in the frame of the first, initialisations too."""
  first, *others = models
  found = [first]
  for other in others:
    element = _ways.element(config, network, first.params, other.params)
    move = lambda x: symmetry.act(network.spec, element, x)  # noqa: B023
    found.append(parted.Trained(move(other.params), move(other.initial)))
  return found


def _changes(
  models: Sequence[parted.Trained],
) -> tuple[base.Params, dict[str, base.Params]]:
  """Returns the base, and the delta of each network from where it began."""
  mean = lambda *xs: sum(xs[1:], xs[0]) / len(xs)
  origin = jax.tree.map(mean, *(x.initial for x in models))
  differences = {
    f'part_{i}': deltas.subtract(x.params, x.initial)
    for i, x in enumerate(models)
  }
  return origin, differences


def _reset(
  config: Config, network: _networks.Network, models: Sequence[base.Params]
) -> Callable[[base.Params], base.Params]:
  """Returns what gives hidden units the networks' statistics, or nothing."""
  if not config.repair:
    return lambda params: params
  repair = matching.repairer(
    network.preactivations,
    models,
    _ways.batches(network, config.repair_examples),
    network.sites,
  )
  return lambda params: repair(params).params


def _best(
  config: Config,
  network: _networks.Network,
  recipe: base.Recipe,
  origin: base.Params,
  differences: Mapping[str, base.Params],
  reset: Callable[[base.Params], base.Params],
) -> dict[str, float]:
  """Returns the accuracies of a merge at the scale that is best held out."""
  models = {name: deltas.add(origin, x) for name, x in differences.items()}
  whole = deltas.subtract(merging.merge(origin, models, recipe), origin)
  scales = config.scales if 'scale' in recipe.config else (1.0,)
  found = []
  for scale in scales:
    params = reset(deltas.add(origin, whole, jnp.float32(scale)))
    held_out = float(network.evaluate(params, network.held_out).accuracy)
    found.append((held_out, scale, params))
  held_out, scale, params = max(found, key=lambda x: x[:2])
  test = network.evaluate(params, network.task.test).accuracy
  return {'test': float(test), 'held_out': held_out, 'scale': float(scale)}


def _ensemble(
  network: _networks.Network, models: Sequence[base.Params]
) -> float:
  """Returns the test accuracy of the mean of the networks' probabilities."""
  images, labels = network.task.test
  answer = jax.jit(lambda x: jax.nn.softmax(network.task.apply(x, images)))
  mean = np.mean([answer(x) for x in models], axis=0)
  return float(np.mean(mean.argmax(-1) == np.asarray(labels)))


@functools.cache
def _recipe(text: str) -> base.Recipe:
  """Returns a recipe, the same one for all points, and so compiled once."""
  return merging.loads(text)
