import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import tasks
from experiments.data import sets
from experiments.tasks import pixels

FC = {'name': 'fc', 'depth': 1, 'width': 16}


@pytest.fixture(scope='module')
def task():
  return tasks.make(data='digits', model=FC)


@pytest.fixture(scope='module')
def params(task):
  return jax.jit(task.init)(jax.random.key(0))


def test_a_task_says_what_it_is(task):
  assert task.name == 'digits_fc'
  assert task.digest == sets.load('digits').digest
  assert task.train.images.dtype == jnp.uint8
  assert task.test.labels.shape == (360,)
  shuffled = tasks.make(data='digits', model=FC, shuffled_pixels=True)
  assert shuffled.name == 'digits_shuffled_pixels_fc'


def test_loss_is_the_mean_cross_entropy(task, params):
  images, labels = task.test
  logits = np.asarray(task.apply(params, images), np.float64)
  chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
  expected = -np.log(chances[np.arange(360), labels]).mean()
  found = jax.jit(task.loss)(params, images, labels)
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gradient_descent_lowers_the_loss(task, params):
  step = lambda x, g: x - 0.1 * g
  loss = jax.jit(jax.value_and_grad(task.loss))
  first, gradient = loss(params, *task.train)
  second, _ = loss(jax.tree.map(step, params, gradient), *task.train)
  assert second < first


@pytest.mark.parametrize('batch_size', [1, 90, 100, 360, 1_000])
def test_evaluation_does_not_depend_on_the_batch_size(task, params, batch_size):
  images, labels = task.test
  logits = task.apply(params, images)
  found = jax.jit(tasks.evaluate, static_argnums=(0, 3))(
    task._replace(train=None, test=None), params, task.test, batch_size
  )
  expected = tasks.Evaluation(
    loss=task.loss(params, images, labels),
    accuracy=(logits.argmax(-1) == labels).mean(),
  )
  chex.assert_trees_all_close(found, expected, rtol=1e-5)


def test_evaluation_of_several_models_is_that_of_each(task, params):
  other = jax.tree.map(lambda x: -x, params)
  batch = jax.tree.map(lambda a, b: jnp.stack([a, b]), params, other)
  evaluate = lambda p: tasks.evaluate(task, p, task.test, batch_size=100)
  found = jax.jit(jax.vmap(evaluate))(batch)
  expected = [evaluate(params), evaluate(other)]
  chex.assert_trees_all_close(
    found, jax.tree.map(lambda a, b: jnp.stack([a, b]), *expected), rtol=1e-5
  )


def test_pixels_reach_the_model_between_zero_and_one():
  found = jax.jit(pixels.to_unit)(jnp.array([0, 51, 255], jnp.uint8))
  chex.assert_trees_all_close(found, jnp.array([0.0, 0.2, 1.0]))


def test_standardized_pixels_have_mean_zero_and_deviation_one_by_channel():
  rng = np.random.default_rng(0)
  images = rng.integers(0, (50, 150, 256), (40, 6, 6, 3)).astype(np.uint8)
  found = np.asarray(jax.jit(pixels.standardize(images))(images), np.float64)
  np.testing.assert_allclose(found.mean(axis=(0, 1, 2)), 0, atol=1e-5)
  np.testing.assert_allclose(found.std(axis=(0, 1, 2)), 1, atol=1e-5)


def test_shuffling_moves_pixels_alike_in_every_image_and_half():
  index = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
  images = np.concatenate([index, index + 100]).repeat(2, axis=-1)
  shuffled = pixels.shuffle(images)
  assert sorted(shuffled[0, ..., 0].ravel()) == list(range(16))
  assert not (shuffled == images).all()
  np.testing.assert_array_equal(shuffled[1], shuffled[0] + 100)
  np.testing.assert_array_equal(shuffled[..., 0], shuffled[..., 1])
  np.testing.assert_array_equal(pixels.shuffle(images[:1]), shuffled[:1])


def test_a_shuffled_task_has_the_same_pixels_elsewhere(task):
  shuffled = tasks.make(data='digits', model=FC, shuffled_pixels=True)
  for plain, moved in zip(task.train, shuffled.train, strict=True):
    order = lambda x: jnp.sort(x.reshape(len(x), -1), axis=1)
    chex.assert_trees_all_equal(order(plain), order(moved))
  assert (task.train.images != shuffled.train.images).any()


@pytest.mark.parametrize(
  ('data', 'model', 'message'),
  [
    ('digit', FC, "No data set 'digit'; did you mean 'digits'"),
    ('digits', {'name': 'lennet'}, "No model 'lennet'; did you mean 'lenet'"),
    ('digits', {'name': 'fc', 'depth': 2}, 'fc needs width'),
  ],
)
def test_a_wrong_name_gives_the_nearest(data, model, message):
  with pytest.raises(ValueError, match=message):
    tasks.make(data=data, model=model)


def test_the_real_mnist_makes_the_papers_problem(real_data):
  real_data('mnist')
  model = {'name': 'fc', 'depth': 2, 'width': 200}
  task = tasks.make(data='mnist', model=model)
  params = jax.eval_shape(task.init, jax.random.key(0))
  assert sum(x.size for x in jax.tree.leaves(params)) == 199_210
