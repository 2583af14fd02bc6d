"""Curves of low loss between networks that no straight line connects.

A point is a pair of networks, trained from two seeds. Between them:

  line           the straight line
  line_repaired  the same, hidden layers given the networks' mean statistics
  line_matched   the straight line to the second after weight matching
  bezier         a Bezier curve whose bend is trained
  polygon        two straight pieces whose corner is trained

References:
  Garipov et al, 2018, Loss Surfaces, Mode Connectivity, and Fast Ensembling of
  DNNs, https://arxiv.org/abs/1802.10026, Section 3. Jordan et al, 2022, REPAIR,
  https://arxiv.org/abs/2211.08403. Ainsworth et al, 2022, Git Re-Basin,
  https://arxiv.org/abs/2209.04836.
"""

from typing import Any
from typing import NamedTuple

import jax
import ml_collections
import numpy as np
import optax

from experiments import connections
from experiments import models
from experiments import tasks
from experiments.curve import _ways
from experiments.training import loop
from paramspace import base
from paramspace import probes
from paramspace import trees
from paramspace.files import manifest
from paramspace.launch import errors

Config = ml_collections.ConfigDict

FORMS = {'bezier': probes.bezier, 'polygon': probes.polygon}


class Fit(NamedTuple):
  """What changes in training.

  Attributes:
    params: Of both networks, `[2, *s]`; or the bends of a curve.
    optimizer: The optimizer's state.
  """

  params: Any
  optimizer: optax.OptState


class State(NamedTuple):
  """What a checkpoint holds.

  Attributes:
    networks: The two that are connected.
    curves: By form, the curves between them.
  """

  networks: Fit
  curves: dict[str, Fit]


def run(config: Config, run: Any) -> dict[str, Any]:
  """Trains two networks, then the curves between them.

  Args:
    config: See `configs/matching/digits_curve.py`.
    run: A `launch.run.Run`.

  Returns:
    By way, what `connections.measured` says of the path; the number of
    parameters, D; sha256s.
  """
  with errors.usage():
    program = Program(config)
  fork = config.steps
  every = config.execution.log_every

  def advance(state, first, last):
    if last <= fork:
      networks, loss = program.train(state.networks, first, last)
      curves = program.curves(networks) if last == fork else state.curves
      return State(networks, curves), {'train_loss': loss}
    curves, losses = program.bend(state, first - fork, last - fork)
    return state._replace(curves=curves), losses

  state = loop.train(
    run,
    program.start(),
    loop.stops(fork + config.curve.steps, every, [fork]),
    advance,
    checkpoint_seconds=config.execution.checkpoint_seconds,
    description=f'{program.task.name}, seed {config.seed}',
  )
  paths = program.measure(state)
  run.save('curves', {form: fit.params for form, fit in state.curves.items()})
  done = all(map(connections.finite, paths.values()))
  return {
    'status': 'done' if done else 'diverged',
    'paths': paths,
    'D': trees.size(state.networks.params) // 2,
    'data_digest': program.task.digest,
    'digest': manifest.digest(state),
  }


class Program:
  """The compiled functions of one pair.

  Attributes:
    task: Data, model and loss, less what is held out.
  """

  def __init__(self, config: Config):
    """Compiles nothing yet.

    Raises:
      ValueError: If there is no such data or model, or nothing is left to train
        on.
    """
    whole = tasks.make(data=config.data, model=config.model)
    cut = len(whole.train.labels) - config.held_out
    if not config.batch_size <= cut < len(whole.train.labels):
      raise ValueError(
        f'`held_out` must lie between 1 and {len(whole.train.labels)} - '
        f'`batch_size`, got {config.held_out}.'
      )
    part = lambda where: tasks.Split(*(x[where] for x in whole.train))
    self.task = whole._replace(train=part(slice(cut)))
    self._config = config
    network = models.make(classes=whole.classes, **config.model)
    held_out = part(slice(cut, None))
    self._ways = _ways.Ways(self.task, network, held_out, config.points)
    self._optimizer = optax.adam(config.learning_rate)
    self._trainer = probes.curve_trainer(
      lambda params, batch: self.task.loss(params, *batch),
      _descent(config.curve),
      config.curve.l2,
    )
    self._steps = jax.jit(jax.vmap(self._train_one, in_axes=(0, 0, None)))
    self._bend = jax.jit(self._bend_steps, static_argnums=0)

  def start(self) -> State:
    """Returns the state before the first step."""
    keys = jax.vmap(jax.random.key)(np.array(self._seeds(), np.uint32))
    params = jax.jit(jax.vmap(self.task.init))(keys)
    networks = Fit(params, jax.vmap(self._optimizer.init)(params))
    return State(networks, self.curves(networks))

  def curves(self, networks: Fit) -> dict[str, Fit]:
    """Returns curves whose bends are on the straight line as yet."""
    ends = _apart(networks)
    made = {form: curve(*ends) for form, curve in FORMS.items()}
    return {
      form: Fit(curve.bends, self._trainer.init(curve))
      for form, curve in made.items()
    }

  def train(self, fit: Fit, first: int, last: int) -> tuple[Fit, jax.Array]:
    """Trains both networks from one step to another."""
    batches = np.stack([self._batches(s, first, last) for s in self._seeds()])
    fit, losses = self._steps(fit, batches, self.task.train)
    return fit, losses.mean()

  def bend(
    self, state: State, first: int, last: int
  ) -> tuple[dict[str, Fit], dict[str, jax.Array]]:
    """Trains both curves from one step to another."""
    ends, found, losses = _apart(state.networks), {}, {}
    at = np.arange(first, last, dtype=np.int32)
    batches = self._batches(self._config.seed, first, last)
    key = jax.random.key(self._config.seed)
    for form, fit in state.curves.items():
      found[form], losses[f'{form}_loss'] = self._bend(
        form, ends, fit, key, at, batches, self.task.train
      )
    return found, losses

  def measure(self, state: State) -> dict[str, Any]:
    """Returns what there is on each way."""
    a, b = _apart(state.networks)
    curves = {
      form: FORMS[form](a, b)._replace(bends=fit.params)
      for form, fit in state.curves.items()
    }
    return self._ways.measure(jax.random.key(self._config.seed), a, b, curves)

  def _seeds(self) -> tuple[int, int]:
    return 2 * self._config.seed, 2 * self._config.seed + 1

  def _batches(self, seed: int, first: int, last: int) -> np.ndarray:
    count = len(self.task.train.labels)
    return loop.batches(seed, first, last, count, self._config.batch_size)

  def _train_one(self, fit, batches, train):
    """Scans over the batches of one network, `[steps, batch]`."""

    def one_step(fit, at):
      loss, grad = jax.value_and_grad(self.task.loss)(
        fit.params, train.images[at], train.labels[at]
      )
      updates, optimizer = self._optimizer.update(grad, fit.optimizer)
      return Fit(optax.apply_updates(fit.params, updates), optimizer), loss

    fit, losses = jax.lax.scan(one_step, fit, batches)
    return fit, losses.mean()

  def _bend_steps(self, form, ends, fit, key, steps, batches, train):
    """Scans over the batches of one curve, `[steps, batch]`."""

    def one_step(fit, inputs):
      step, at = inputs
      curve = FORMS[form](*ends)._replace(bends=fit.params)
      curve, optimizer, loss = self._trainer.update(
        jax.random.fold_in(key, step),
        curve,
        fit.optimizer,
        (train.images[at], train.labels[at]),
      )
      return Fit(curve.bends, optimizer), loss

    fit, losses = jax.lax.scan(one_step, fit, (steps, batches))
    return fit, losses.mean()


def _apart(networks: Fit) -> tuple[base.Params, base.Params]:
  of = lambda k: jax.tree.map(lambda x: x[k], networks.params)
  return of(0), of(1)


def _descent(options: Config) -> optax.GradientTransformation:
  """Descent whose rate is constant for half of the steps, as the authors'.

  Then it falls as a line to 1% of that at 90% of them, and stays there.
  """
  half, most = options.steps // 2, options.steps * 9 // 10
  rate = options.learning_rate
  schedule = optax.linear_schedule(rate, rate / 100, most - half, half)
  return optax.sgd(schedule, momentum=options.momentum)
