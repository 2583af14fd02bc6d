"""What is derived has names that stay, and says what it could not tell."""

import jax
import jax.numpy as jnp
import pytest

from paramspace import symmetry

F = symmetry.Factor


def network(params, x):
  h = jax.nn.relu(x @ params['in']['kernel'] + params['in']['bias'][None])
  return h @ params['out']['kernel'] + params['out']['bias'][None]


def layer(m, n):
  return {'kernel': jnp.ones((m, n)), 'bias': jnp.ones(n)}


PARAMS = {'out': layer(5, 2), 'in': layer(3, 5)}
X = jnp.ones((4, 3))
SPEC = symmetry.Spec(
  groups={'in/kernel:1': symmetry.Group(5)},
  leaves={
    'in/bias': (F('in/kernel:1', 5),),
    'in/kernel': (F(None, 3), F('in/kernel:1', 5)),
    'out/bias': (F(None, 2),),
    'out/kernel': (F('in/kernel:1', 5), F(None, 2)),
  },
)


@pytest.mark.parametrize('wrap', [lambda f: f, jax.jit, jax.checkpoint])
def test_a_network_has_the_specification_written_by_hand(wrap):
  assert symmetry.derive(wrap(network), PARAMS, X) == SPEC


def test_shapes_are_enough():
  shapes = jax.eval_shape(lambda: (PARAMS, X))
  assert symmetry.derive(network, *shapes) == SPEC


def test_names_do_not_change_with_the_order_of_leaves():
  apply = lambda p, x: network({'in': p[1], 'out': p[0]}, x)
  for names in ([0, 1], [1, 0]):
    params = {k: [PARAMS['out'], PARAMS['in']][k] for k in names}
    spec = symmetry.derive(apply, params, X)
    assert list(spec.groups) == ['1/kernel:1']


def test_a_leaf_more_does_not_change_the_names_of_others():
  more = PARAMS | {'a': jnp.ones(5)}
  apply = lambda p, x: network(p, x) + p['a'].sum()
  spec = symmetry.derive(apply, more, X)
  assert spec.groups == SPEC.groups | {'a:0': symmetry.Group(5)}


def test_statistics_are_leaves_as_others():
  def apply(p, x):
    h = x @ p['params']['in']['kernel'] - p['batch_stats']['mean'][None]
    return jax.nn.relu(h) @ p['params']['out']['kernel']

  params = {'params': PARAMS, 'batch_stats': {'mean': jnp.ones(5)}}
  spec = symmetry.derive(apply, params, X)
  assert spec.leaves['batch_stats/mean'] == (F('params/in/kernel:1', 5),)


def test_integers_and_keys_stay():
  params = PARAMS | {'count': jnp.arange(5), 'key': jax.random.key(0)}
  apply = lambda p, x: (
    network(p, x * p['count'].sum().astype(x.dtype))
    + jax.random.normal(p['key'])
  )
  spec = symmetry.derive(apply, params, X)
  assert spec.groups == SPEC.groups
  assert spec.leaves['count'] == (F(None, 5),)
  assert spec.leaves['key'] == () and not spec.notes


def test_what_is_not_used_stays_and_is_noted():
  params = PARAMS | {'ema': layer(3, 5)}
  spec = symmetry.derive(jax.jit(network), params, X)
  assert spec.groups == SPEC.groups
  assert spec.notes == (
    'ema/bias: the function does not use it; it stays',
    'ema/kernel: the function does not use it; it stays',
  )


def test_an_unknown_operation_is_noted_with_its_place():
  def apply(p, x):
    with jax.named_scope('mixing'):
      h = jnp.fft.rfft(x @ p['in']['kernel'])
    return network(p, x) + jnp.abs(h).sum()

  spec = symmetry.derive(apply, PARAMS, X)
  (note,) = spec.notes
  assert note.startswith('fft in mixing (test_derive.py:')
  assert not spec.groups


def test_dead_code_fixes_nothing():
  def apply(p, x):
    jnp.sort(p['in']['bias'])
    return network(p, x)

  assert symmetry.derive(apply, PARAMS, X) == SPEC


def test_what_is_returned_stays():
  apply = lambda p, x: (network(p, x), p['in']['bias'])
  assert not symmetry.derive(apply, PARAMS, X).groups


def test_all_inputs_stay():
  apply = lambda p, x, scale: network(p, x) * (p['in']['bias'] @ scale['s'])
  assert not symmetry.derive(apply, PARAMS, X, {'s': jnp.ones(5)}).groups


def test_axes_of_size_one_are_no_group():
  params = {'in': layer(3, 1), 'out': layer(1, 2)}
  assert not symmetry.derive(network, params, X).groups
