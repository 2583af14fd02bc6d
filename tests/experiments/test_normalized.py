"""Models with batch norm, their tasks, and what is done to their images."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import models
from experiments import tasks
from experiments.data import sets
from experiments.tasks import pixels

MODEL = {'name': 'cnn', 'widths': (4, 8), 'momentum': 0.75}


@pytest.fixture(scope='module')
def task():
  return tasks.make_normalized(data='digits', model=MODEL)


@pytest.fixture(scope='module')
def variables(task):
  return jax.jit(task.init)(jax.random.key(0))


@pytest.fixture(scope='module')
def trained(task, variables):
  """The loss and the statistics after one batch of training."""
  return jax.jit(task.loss)(*variables, *few(task))


def few(task, count=64):
  return task.train.images[:count], task.train.labels[:count]


def test_the_network_of_the_study_has_the_stated_size():
  model = {'name': 'cnn', 'widths': (16, 32, 64, 128)}
  made = tasks.make_normalized(data='cifar10', model=model, load=sets.blank)
  params, stats = jax.eval_shape(made.init, jax.random.key(0))
  assert sum(x.size for x in jax.tree.leaves(params)) == 98_970
  assert sum(x.size for x in jax.tree.leaves(stats)) == 2 * (16 + 32 + 64 + 128)


def test_training_normalizes_by_the_batch_and_moves_the_statistics(
  task, variables, trained
):
  params, stats = variables
  other = jax.tree.map(lambda x: 7 * x + 3, stats)
  loss, new = jax.jit(task.loss)(params, other, *few(task))
  np.testing.assert_allclose(loss, trained[0], rtol=1e-6)
  # new = m old + (1 - m) batch, so that of the old only m is left.
  left = jax.tree.map(lambda a, b: a - b, new, trained[1])
  moved = jax.tree.map(lambda a, b: 0.75 * (a - b), other, stats)
  chex.assert_trees_all_close(left, moved, atol=1e-5)


def test_evaluation_normalizes_by_the_statistics_it_is_given(
  task, variables, trained
):
  images, _ = few(task)
  apply = jax.jit(task.apply)
  own, new = (
    apply(variables._replace(stats=s), images)
    for s in (variables.stats, trained[1])
  )
  assert jnp.abs(own - new).max() > 0.1
  # One image at a time: what else is in the batch does not matter.
  chex.assert_trees_all_close(
    apply(variables, images[:1]), own[:1], rtol=1e-4, atol=1e-4
  )


def test_a_task_with_statistics_is_evaluated_like_any_other(task, variables):
  found = jax.jit(tasks.evaluate, static_argnums=(0, 3))(
    task._replace(train=None, test=None), variables, task.test, 100
  )
  logits = task.apply(variables, task.test.images)
  right = (logits.argmax(-1) == task.test.labels).mean()
  np.testing.assert_allclose(found.accuracy, right, rtol=1e-6)


def test_a_model_with_statistics_is_no_plain_model():
  with pytest.raises(ValueError, match="No model 'cnn'"):
    tasks.make(data='digits', model=MODEL)
  with pytest.raises(ValueError, match="No model with batch norm 'fc'"):
    models.make_normalized('fc', classes=10)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'widths': ()}, '`widths` must be positive'),
    ({'widths': (4, 0)}, '`widths` must be positive'),
    ({'momentum': 1.0}, r'`momentum` must lie in \[0, 1\), got 1.0'),
  ],
)
def test_a_network_out_of_range_says_so(options, message):
  with pytest.raises(ValueError, match=message):
    models.cnn(classes=10, **options)


def test_images_are_mirrored_and_shifted_and_nothing_else():
  image = np.arange(1, 26, dtype=np.uint8).reshape(1, 5, 5, 1)
  images = jnp.asarray(image.repeat(200, axis=0))
  found = jax.jit(pixels.flip_and_shift, static_argnums=2)(
    jax.random.key(0), images, 1
  )
  assert (found.shape, found.dtype) == (images.shape, images.dtype)
  padded = np.pad(image[0, :, :, 0], 1)
  flipped = np.pad(image[0, :, ::-1, 0], 1)
  allowed = {
    source[i : i + 5, j : j + 5].tobytes()
    for source in (padded, flipped)
    for i in range(3)
    for j in range(3)
  }
  assert {np.asarray(x[..., 0]).tobytes() for x in found} == allowed
