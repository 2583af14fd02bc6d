import chex
import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from experiments import models


def size(params):
  return sum(x.size for x in jax.tree.leaves(params))


def shapes(model, images):
  return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(images))


@pytest.mark.parametrize(
  ('name', 'options', 'images', 'expected'),
  [
    ('fc', {'depth': 2, 'width': 200}, (1, 28, 28, 1), 199_210),
    ('fc', {'depth': 1, 'width': 50}, (1, 28, 28, 1), 39_760),
    ('fc', {'depth': 5, 'width': 400}, (1, 28, 28, 1), 959_610),
    ('lenet', {}, (1, 28, 28, 1), 44_426),
    ('lenet', {}, (1, 32, 32, 3), 62_006),
  ],
)
def test_networks_have_the_papers_number_of_parameters(
  name, options, images, expected
):
  model = models.make(name, classes=10, **options)
  assert size(shapes(model, images)) == expected


def test_kernels_are_he_normal_and_biases_zero():
  model = models.fc(classes=10, depth=1, width=400)
  params = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))['params']
  kernel = params['Dense_0']['kernel']  # [784, 400]
  assert jnp.allclose(kernel.std(), (2 / 784) ** 0.5, rtol=0.01)
  chex.assert_trees_all_equal(params['Dense_0']['bias'], jnp.zeros(400))


class PlainLeNet(nn.Module):
  """The paper's order of operations, out of Flax's own layers."""

  @nn.compact
  def __call__(self, x):
    for features in (6, 16):
      x = nn.Conv(features, (5, 5), padding='VALID')(x)
      x = nn.max_pool(nn.relu(x), (2, 2), (2, 2))
    x = x.reshape(len(x), -1)
    for features in (120, 84):
      x = nn.relu(nn.Dense(features)(x))
    return nn.Dense(10)(x)


@pytest.mark.parametrize('images', [(2, 28, 28, 1), (2, 32, 32, 3)])
def test_lenet_equals_the_one_of_flax_layers_with_the_same_parameters(images):
  key_x, key = jax.random.split(jax.random.key(0))
  x = jax.random.normal(key_x, images)
  lenet, plain = models.lenet(classes=10), PlainLeNet()
  params = jax.jit(lenet.init)(key, x)

  def loss(model):
    return jax.value_and_grad(lambda p: (model.apply(p, x) ** 2).sum())

  ours, expected = jax.jit(loss(lenet))(params), jax.jit(loss(plain))(params)
  chex.assert_trees_all_close(ours, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('kernel_size', [(1, 1), (3, 2), (5, 5)])
def test_convolution_equals_flax_where_models_are_batched(kernel_size):
  key_x, key = jax.random.split(jax.random.key(0))
  x = jax.random.normal(key_x, (3, 2, 7, 6, 4))  # [models, n, H, W, C]
  ours = models.Conv(5, kernel_size, nn.initializers.normal(1.0))
  flax = nn.Conv(5, kernel_size, padding='VALID')
  params = jax.vmap(ours.init)(jax.random.split(key, 3), x)
  chex.assert_trees_all_close(
    jax.jit(jax.vmap(ours.apply))(params, x),
    jax.jit(jax.vmap(flax.apply))(params, x),
    atol=1e-4,
  )


def test_pooling_equals_flax():
  x = jax.random.normal(jax.random.key(0), (2, 6, 4, 3))
  expected = nn.max_pool(x, (2, 2), (2, 2))
  chex.assert_trees_all_equal(jax.jit(models.max_pool)(x), expected)


def test_a_batch_of_one_model_is_that_model():
  model = models.lenet(classes=10)
  x = jax.random.normal(jax.random.key(0), (2, 28, 28, 1))
  params = jax.jit(model.init)(jax.random.key(1), x)
  batch = jax.tree.map(lambda p: p[None], params)
  chex.assert_trees_all_close(
    jax.jit(jax.vmap(model.apply, in_axes=(0, None)))(batch, x)[0],
    jax.jit(model.apply)(params, x),
    atol=1e-4,
  )


@pytest.mark.parametrize(
  ('name', 'options', 'message'),
  [
    ('lennet', {}, "No model 'lennet'; did you mean 'lenet'"),
    ('fc', {'depth': 2, 'widht': 9}, "of fc 'widht'; did you mean 'width'"),
    ('fc', {'depth': 2}, 'fc needs width; got classes, depth'),
    ('fc', {'depth': -1, 'width': 9}, '`depth` must not be negative, got -1'),
    ('fc', {'depth': 1, 'width': 0}, '`width` must be positive, got 0'),
  ],
)
def test_a_wrong_model_says_what_is_wrong(name, options, message):
  with pytest.raises(ValueError, match=message):
    models.make(name, classes=10, **options)


@pytest.mark.parametrize(
  ('side', 'message'),
  [(8, '5x5 does not fit into 2x2 pixels'), (9, 'even sides, got 5x5')],
)
def test_images_too_small_for_lenet_say_so(side, message):
  with pytest.raises(ValueError, match=message):
    shapes(models.lenet(classes=10), (1, side, side, 1))
