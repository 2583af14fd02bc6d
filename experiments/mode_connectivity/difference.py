r"""The intrinsic dimension of what lies between two networks.

Networks a and b were trained apart, and pi(b) is b with its units in the order
that suits a. How many dimensions separate a from b, and how many from pi(b)?
The segment between two networks is bent within a random subspace of d
dimensions,

  theta_z(t) = (1 - t) a + t b + 2 t (1 - t) P z,  z in R^d, P^T P = I,

which is the quadratic Bezier curve whose bend is (a + b) / 2 + P z, and at
z = 0 the segment itself. z is trained on the mean loss over the curve,
E_t L(theta_z(t)) with t uniform in [0, 1]. Then

  d_q(a, b) = the least d at which min_t accuracy(theta_z(t)) is at least
              q (accuracy(a) + accuracy(b)) / 2.

0 says that nothing separates them: the segment is good enough. With q = 0.9 and
t fixed at 1/2 it would be the intrinsic dimension of Li et al from an origin
midway between two networks, rather than from an initialisation: the codimension
of the set of solutions, as it is met from there. The curve asks more, because
one z has to serve every t.

References:
  Li et al, 2018, Measuring the Intrinsic Dimension of Objective Landscapes,
  https://arxiv.org/abs/1804.08838. Garipov et al, 2018, Loss Surfaces, Mode
  Connectivity, and Fast Ensembling, https://arxiv.org/abs/1802.10026, for the
  curve. Ainsworth et al, 2023, Git Re-Basin, https://arxiv.org/abs/2209.04836.

Note: Nobody has drawn this. What is found is an upper bound on d_q, for a
  training of a fixed length, and accuracies are those of the test set, as Li et
  al take them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from experiments.mode_connectivity import _bend
from experiments.mode_connectivity import _networks
from experiments.mode_connectivity import _paths
from experiments.mode_connectivity import _ways
from experiments.mode_connectivity import training
from experiments.training import loop
from paramspace import symmetry
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict


def run(config: Config, run: Any) -> dict[str, Any]:
  """Matches two networks by one way, and bends the segment between them.

  Args:
    config: See `configs/matching/mnist_mlp_difference.py`.
    run: A `launch.run.Run`.

  Returns:
    The points 't' of the curve; the test 'loss' and 'accuracy' at them, of the
    segment as `line_*` and of what became of it as `bent_*`; the distance of
    the networks, and of the bend from their midpoint; d, D and sha256s.
  """
  with errors.usage():
    _ways.check(config.method)
    network = _networks.make(config)
    _check(config, network)
    program = _bend.program(
      network.task.loss, config.direct, config.most, config.learning_rate
    )
  a, b = training.ensure(run, config, config.models)
  with errors.usage():
    b = symmetry.act(network.spec, _ways.element(config, network, a, b), b)
    key = jax.random.fold_in(jax.random.key(config.seed), config.models[0])
    z, frozen = program.init(jax.random.fold_in(key, 0), a)
  where = _bend.Segment(
    a, b, jnp.int32(config.dim), frozen, jax.random.fold_in(key, 1)
  )
  fit = _train(config, run, network, program, where, z)
  t = np.linspace(0, 1, config.steps, dtype=np.float32)
  split = _paths.splits(config, network)['test']
  measured = {
    f'{name}_{key}': np.asarray(values).tolist()
    for name, coordinates in (('line', z), ('bent', fit.z))
    for key, values in _measure(
      network, program, where, coordinates, t, split
    ).items()
  }
  finite = _paths.finite(measured)
  bend = program.offset(fit.z, where)
  return {
    'status': 'done' if finite else 'diverged',
    't': t.tolist(),
    **measured,
    'distance': _paths.distance(a, b),
    'bend': _paths.distance(bend, jax.tree.map(jnp.zeros_like, bend)),
    'd': trees.size(a) if config.direct else config.dim,
    'D': trees.size(a),
    'data_digest': network.task.digest,
    'digest': manifest.digest(fit.z),
  }


def _train(config, run, network, program, where, z) -> _bend.Fit:
  """Trains the coordinates, beginning with the segment itself."""
  train = network.task.train
  count = len(train.labels)

  def advance(fit, first, last):
    batches = loop.batches(config.seed, first, last, count, config.batch_size)
    fit, loss = program.train(fit, where, first, batches, train)
    return fit, {'train_loss': loss}

  return loop.train(
    run,
    _bend.Fit(z, program.optimizer.init(z)),
    loop.stops(config.bend_steps, config.execution.log_every),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{network.task.name}, {config.method}, d = {config.dim}',
    show=lambda metrics: {'train_loss': float(metrics['train_loss'])},
  )


def _measure(network, program, where, z, t, split) -> dict[str, list[float]]:
  """Returns loss and accuracy on the points of a curve."""
  found = [network.evaluate(program.at(z, where, share), split) for share in t]
  return {
    name: [float(getattr(x, name)) for x in found]
    for name in ('loss', 'accuracy')
  }


def _check(config: Config, network: _networks.Network) -> None:
  if len(config.models) != 2:
    raise ValueError(f'`models` are two seeds, got {tuple(config.models)}.')
  _paths.check_steps('steps', config.steps)
  if not config.direct and not 1 <= config.dim <= config.most:
    raise ValueError(
      f'`dim` must lie in 1..`most` = {config.most}, got {config.dim}.'
    )
  count = len(network.task.train.labels)
  if not 1 <= config.batch_size <= count:
    raise ValueError(
      f'`batch_size` must lie between 1 and {count}, got {config.batch_size}.'
    )
