"""Averages of models that were trained apart from one initialisation."""

import math
import operator
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import jax
import numpy as np

from paramspace import base
from paramspace.averaging import _averager
from paramspace.averaging import _ingredients
from paramspace.averaging import _weights

Score = Callable[[base.Params], float]

# A soup is the uniform average, fed with models instead of steps.
MEAN = _averager.averager(_weights.uniform())
_update = jax.jit(MEAN.update)


class Soup(NamedTuple):
  """An average of some of the models.

  Attributes:
    params: The average.
    members: The indices of the models in it, in the order of their scores.
    score: What it scores.
    scores: What each model scores alone, `[n]`.
  """

  params: base.Params
  members: tuple[int, ...]
  score: float
  scores: np.ndarray


def uniform_soup(trees: Sequence[_ingredients.Entry]) -> base.Params:
  r"""Returns the mean of the models.

    theta = 1/n sum_k theta_k

  Args:
    trees: The models, or functions without arguments that load them; these are
      called in turn, so that one model and the mean are in memory.

  Returns:
    A tree in the dtypes of the models; the mean is taken in float32 or wider.
    Leaves that are not floating-point are those of all models.

  Raises:
    ValueError: If there are none, or they differ; names the leaf.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> a, b = {'w': jnp.array([1.0, 2.0])}, {'w': jnp.array([3.0, 2.0])}
    >>> averaging.uniform_soup([a, b])['w']
    Array([2., 2.], dtype=float32)

  Note: The mean is updated model by model, a <- a + (theta_k - a) / k. That is
  as exact as one division of the sum, rounded n times either way; it cannot
  overflow, and equal models give that model to the bit.

  References:
    Wortsman et al, 2022, Model soups, https://arxiv.org/abs/2203.05482.
  """
  read = _ingredients.reader(trees)
  soup = None
  for k in range(len(trees)):
    soup = _added(read(k), soup)
  return _average(soup)


def greedy_soup(
  trees: Sequence[_ingredients.Entry],
  score: Score,
  accept: Callable[[float, float], Any] = operator.gt,
) -> Soup:
  r"""Adds the models to a soup one by one, best first, where that helps.

  The models are sorted by score, best first, and of equal ones the first. Model
  k goes in if

    accept(score(mean(soup + theta_k)), score(mean(soup))).

  With an `accept` that lets nothing worse in, the soup scores no worse than the
  best model.

  Args:
    trees: The models, or functions without arguments that load them. Each is
      loaded twice, once to be scored alone and once to be tried; in memory are
      one model, the soup, and the soup that is tried.
    score: `(params) -> number`, higher is better, on data that is held out. It
      is called 2n - 1 times, with trees in the dtypes of the models.
    accept: `(new, old) -> bool`. Default is `operator.gt`, which keeps a model
      only if it helps; `operator.ge` keeps it unless it hurts.

  Returns:
    A `Soup`.

  Raises:
    ValueError: If there are no models, they differ, or a score is NaN; names
      the leaf or the model.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> models = [{'w': jnp.array(w)} for w in (-1.0, 2.0, 5.0)]
    >>> soup = averaging.greedy_soup(models, lambda p: -abs(p['w'] - 0.5))
    >>> soup.members, float(soup.params['w']), soup.score
    ((0, 1), 0.5, -0.0)

  References:
    Wortsman et al, 2022, Model soups: averaging weights of multiple fine-tuned
    models improves accuracy without increasing inference time,
    https://arxiv.org/abs/2203.05482, Recipe 1. The authors' code compares with
    `operator.gt`.
  """
  read = _ingredients.reader(trees)
  scores = np.array([_scored(score, read(k), k) for k in range(len(trees))])
  first, *others = np.argsort(-scores, kind='stable').tolist()
  soup, members, best = _added(read(first)), [first], float(scores[first])
  for k in others:
    tried = _added(read(k), soup)
    new = _scored(score, _average(tried), k, members)
    if accept(new, best):
      soup, best = tried, new
      members.append(k)
  return Soup(_average(soup), tuple(members), best, scores)


def diwa(trees: Sequence[_ingredients.Entry], score: Score) -> Soup:
  r"""Selects the models of a soup as DiWA's restricted selection does.

  It is `greedy_soup` with `operator.ge`: a model that changes nothing goes in,
  for the diversity of the average. Where the score is an accuracy on few
  examples, ties are common, and the two differ.

  Args:
    trees: The models, as for `greedy_soup`; in the paper from one, linearly
      probed, initialisation, with hyperparameters drawn from mild ranges.
    score: `(params) -> number`, as for `greedy_soup`.

  Returns:
    A `Soup`. DiWA without a selection is `uniform_soup`.

  Raises:
    ValueError: As `greedy_soup` does.

  Example:
    >>> import jax.numpy as jnp
    >>> from paramspace import averaging
    >>> models = [{'w': jnp.array(w)} for w in (1.0, 2.0)]
    >>> averaging.diwa(models, lambda params: params['w'] > 0).members
    (0, 1)

  References:
    Rame et al, 2022, Diverse Weight Averaging for Out-of-Distribution
    Generalization, https://arxiv.org/abs/2205.09739.
  """
  return greedy_soup(trees, score, accept=operator.ge)


class _Mixture(NamedTuple):
  """Models that were averaged, and what they look like."""

  state: _averager.RunningState
  like: base.Params


def _added(tree: base.Params, soup: _Mixture | None = None) -> _Mixture:
  """Returns a soup with one model more."""
  old = MEAN.init(tree) if soup is None else soup.state
  # Waits, so that the model is freed before the next is loaded.
  state = jax.block_until_ready(_update(tree, old))
  return _Mixture(state, _ingredients.outline(tree))


def _average(soup: _Mixture) -> base.Params:
  return MEAN.value(soup.state, like=soup.like)


def _scored(
  score: Score, params: base.Params, k: int, members: Sequence[int] = ()
) -> float:
  """Returns the score of model k, or of the soup of `members` and k."""
  value = float(score(params))
  if math.isnan(value):
    beside = f' in a soup with {list(members)}' if members else ''
    raise ValueError(f'The score of model {k}{beside} is NaN.')
  return value
