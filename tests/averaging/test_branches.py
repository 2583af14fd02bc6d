import chex
import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.averaging import _branch_and_merge
from paramspace.averaging import _interpolate
from paramspace.averaging import _soups

START = {'w': jnp.zeros(4), 'step': jnp.array(1)}
GOALS = [jnp.array(g) for g in np.random.default_rng(0).normal(size=(5, 4))]
bam = _branch_and_merge.branch_and_merge


def train(goal, params):
  return params | {'w': params['w'] + 0.5 * (goal - params['w'])}


def test_two_slices_at_a_time_are_trained_apart_and_merged():
  theta = START
  for group in (GOALS[:2], GOALS[2:4], GOALS[4:]):
    theta = _soups.uniform_soup([train(goal, theta) for goal in group])
  chex.assert_trees_all_equal(bam(START, GOALS, train), theta)
  chex.assert_trees_all_equal(bam(START, iter(GOALS), train), theta)


def test_one_branch_is_training_in_sequence():
  theta = START
  for goal in GOALS:
    theta = train(goal, theta)
  chex.assert_trees_all_equal(bam(START, GOALS, train, branches=1), theta)


def test_all_branches_at_once_are_a_soup():
  want = _soups.uniform_soup([train(goal, START) for goal in GOALS])
  for branches in (5, 9):
    chex.assert_trees_all_equal(bam(START, GOALS, train, branches), want)


def test_branches_move_less_than_a_sequence():
  length = lambda k: float(
    jnp.linalg.norm(bam(START, GOALS[:4], train, k)['w'])
  )
  assert length(4) < length(1)


def test_another_merge_gets_the_branches():
  merge = lambda params, two: _interpolate.slerp(*two, 0.5, base=params)
  got = bam(START, GOALS[:2], train, merge=merge)
  want = merge(START, [train(goal, START) for goal in GOALS[:2]])
  chex.assert_trees_all_equal(got, want)


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda: bam(START, [], train), '`slices` is empty'),
    (lambda: bam(START, GOALS, train, 0), '`branches` must be.*got 0'),
    (
      lambda: bam(START, GOALS, lambda _, p: p | {'w': jnp.ones(3)}),
      "train: branch 0: leaf 'w'",
    ),
    (
      lambda: bam(START, GOALS, train, merge=lambda params, group: group),
      'merge: its result',
    ),
  ],
)
def test_bad_input_is_refused(call, message):
  with pytest.raises(ValueError, match=message):
    call()
