r"""The error of an average as bias, variance and covariance, and its locality.

A set has M members, trained alike; f_m(x) is what member m answers, and sets
are drawn again and again. With the mean over sets E, and over the members too
where m is free,

  bias(x) = y - E f_m(x)
  variance(x) = E |f_m(x) - E f_m(x)|^2
  covariance(x) = E <f_m(x) - E f_m(x), f_m'(x) - E f_m'(x)>,  m != m'

the mean of the answers has the expected squared error

  E |1/M sum_m f_m(x) - y|^2
    = |bias|^2 + 1/M variance + (M - 1)/M covariance.

Of the mean of the weights this holds up to O(locality), the squared distance of
the members from their mean.

References:
  Rame et al, 2022, Diverse Weight Averaging for Out-of-Distribution
  Generalization, https://arxiv.org/abs/2205.09739, Proposition 2. Ueda and
  Nakano, 1996, https://doi.org/10.1109/ICNN.1996.548872, for ensembles.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base


class Parts(NamedTuple):
  """The parts of an expected squared error, each a mean over examples.

  Attributes:
    bias: The squared bias.
    variance: That of one member.
    covariance: That of two members of a set; negative if they repel.
  """

  bias: float
  variance: float
  covariance: float


def decompose(outputs: np.ndarray, targets: np.ndarray) -> Parts:
  """Splits the expected squared error of an ensemble.

  Args:
    outputs: What each member of each set answers, `[sets, members, n, c]`.
    targets: What is right, `[n, c]`, one-hot for probabilities.

  Returns:
    The parts, with the mean over the given sets for the expectation. So
    `expected_error` of them is the mean error of these sets exactly.

  Raises:
    ValueError: If there are less than two members, or the shapes disagree.

  Note: With few sets the mean over them is itself uncertain: the variance and
  the covariance come out too small, and the bias too large, each by what that
  mean varies.

  Example:
    >>> import numpy as np
    >>> outputs = np.array([[[[1.0]], [[3.0]]], [[[2.0]], [[2.0]]]])
    >>> decompose(outputs, np.array([[1.0]]))
    Parts(bias=1.0, variance=0.5, covariance=-0.5)
  """
  if outputs.ndim != 4 or outputs.shape[1] < 2:
    raise ValueError(
      '`outputs` must be [sets, members, n, c] with two members or more, got '
      f'{list(outputs.shape)}.'
    )
  if targets.shape != outputs.shape[2:]:
    raise ValueError(
      f'`targets` must be {list(outputs.shape[2:])} beside `outputs` of '
      f'{list(outputs.shape)}, got {list(targets.shape)}.'
    )
  outputs = outputs.astype(np.float64)
  mean = outputs.mean(axis=(0, 1))  # [n, c]
  apart = outputs - mean  # [sets, members, n, c]
  members = outputs.shape[1]
  squares = np.square(apart).sum(axis=1)  # [sets, n, c]
  # All pairs, less those of a member with itself.
  pairs = np.square(apart.sum(axis=1)) - squares
  over_examples = lambda x: float(x.mean(axis=0).sum(axis=-1).mean())
  return Parts(
    bias=over_examples(np.square(targets - mean)[None]),
    variance=over_examples(squares / members),
    covariance=over_examples(pairs / (members * (members - 1))),
  )


def expected_error(parts: Parts, members: int) -> float:
  """Returns bias + variance / M + covariance (M - 1) / M, for M members.

  >>> expected_error(Parts(1.0, 0.5, -0.5), members=2)
  1.0
  """
  return (
    parts.bias
    + parts.variance / members
    + parts.covariance * (members - 1) / members
  )


def squared_error(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
  """Returns the mean over examples of |output - target|^2.

  Args:
    outputs: `[..., n, c]`.
    targets: `[n, c]`.

  Returns:
    float64 `[...]`; for probabilities and one-hot targets, the Brier score.
  """
  apart = outputs.astype(np.float64) - targets
  return np.square(apart).sum(axis=-1).mean(axis=-1)


def locality(members: base.Params) -> jax.Array:
  """Returns the largest squared distance of a member from the mean of all.

  Args:
    members: Their parameters, `[members, *s]` in each leaf.

  Returns:
    max_m |theta_m - theta|^2, over all leaves, a scalar.

  Example:
    >>> import jax.numpy as jnp
    >>> float(locality({'w': jnp.array([[0.0, 0.0], [2.0, 4.0]])}))
    5.0
  """
  squares = [
    jnp.square(x - x.mean(axis=0, keepdims=True)).reshape(len(x), -1).sum(1)
    for x in jax.tree.leaves(members)
  ]
  return sum(squares).max()
