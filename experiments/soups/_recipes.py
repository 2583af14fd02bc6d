"""What is made of a set of models, and how good it is."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import ml_collections
import numpy as np

from experiments import tasks
from experiments.soups import bias_variance
from experiments.training import loop
from paramspace import averaging
from paramspace import base

RECIPES = ('best', 'uniform', 'greedy', 'diwa', 'learned')


class Models(NamedTuple):
  """The models of one set.

  Attributes:
    initial: Where they began, `[1 or members, *s]`.
    tuned: Where they ended, `[members, *s]`.
  """

  initial: base.Params
  tuned: base.Params


class Cooked(NamedTuple):
  """What was made of one set.

  Attributes:
    soups: Parameters, by recipe.
    greedy_size: How many models are in the greedy soup.
    diwa_size: How many are in that of DiWA.
  """

  soups: dict[str, base.Params]
  greedy_size: int
  diwa_size: int


def cook(
  config: ml_collections.ConfigDict,
  tuned: base.Params,
  held_out: tasks.Split,
  accuracy: Callable[[base.Params, tasks.Split], Any],
  loss: Callable[..., jax.Array],
) -> Cooked:
  """Makes the soups of one set, chosen by what is held out.

  Args:
    config: As in `configs/averaging/soups_mnist.py`.
    tuned: The models, `[members, *s]`.
    held_out: What they are scored and learned on.
    accuracy: `(params, split) -> number`.
    loss: `(params, images, labels) -> scalar`.

  Returns:
    A soup for each of the `RECIPES`.
  """
  take = lambda m: jax.tree.map(lambda x: x[m], tuned)
  members = [take(m) for m in range(config.members)]
  score = lambda params: float(accuracy(params, held_out))
  greedy = averaging.greedy_soup(members, score)
  diwa = averaging.diwa(members, score)
  count = len(held_out.labels)
  orders = [
    loop.order(config.seed, epoch, count, config.batch_size)
    for epoch in range(config.learned_epochs)
  ]
  learned = averaging.learned_soup(
    members,
    lambda params, batch: loss(params, *batch),
    [tuple(x[at] for x in held_out) for at in np.concatenate(orders)],
  )
  soups = {
    'best': members[int(np.argmax(greedy.scores))],
    'uniform': averaging.uniform_soup(members),
    'greedy': greedy.params,
    'diwa': diwa.params,
    'learned': learned.params,
  }
  return Cooked(soups, len(greedy.members), len(diwa.members))


def measure(
  probabilities: Callable[[base.Params, jax.Array], np.ndarray],
  split: tasks.Split,
  models: Sequence[Models],
  cooked: Sequence[Cooked],
) -> dict[str, Any]:
  """Measures on one split.

  Args:
    probabilities: `(params, images) -> [k, n, classes]`, of k models.
    split: Labelled images.
    models: Those of each set.
    cooked: What was made of them.

  Returns:
    `RECIPE/accuracy` and `RECIPE/error`, the squared error of the
    probabilities, with a number for each set. The recipes are those of `cook`,
    `'initial'`, `'single'`, the mean over the members, and `'ensemble'`, the
    mean of their probabilities. `bias`, `variance` and `covariance`, over sets.
  """
  labels = np.asarray(split.labels)
  answer = lambda params: probabilities(params, split.images)
  single = np.stack([answer(m.tuned) for m in models])  # [s, m, n, classes]
  answers = {
    'initial': [answer(m.initial) for m in models],
    'single': single,
    'ensemble': single.mean(axis=1, keepdims=True),
  }
  for recipe in RECIPES:
    soups = [jax.tree.map(lambda x: x[None], c.soups[recipe]) for c in cooked]
    answers[recipe] = [answer(soup) for soup in soups]
  targets = np.eye(single.shape[-1])[labels]  # [n, classes]
  metrics = {}
  for recipe, of_sets in answers.items():
    right = [np.mean(x.argmax(axis=-1) == labels) for x in of_sets]
    wrong = [bias_variance.squared_error(x, targets).mean() for x in of_sets]
    metrics[f'{recipe}/accuracy'] = [float(x) for x in right]
    metrics[f'{recipe}/error'] = [float(x) for x in wrong]
  return metrics | bias_variance.decompose(single, targets)._asdict()
