"""One row per public method, and the laws that every row keeps.

A new method adds one row to the table of its kind; a new package of methods
adds one line to `TABLES` and, with its kind, its own laws.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import paramspace
from paramspace import averaging
from paramspace import base
from paramspace import deltas
from paramspace import merging
from paramspace import reparam
from paramspace import trees

KEY = jax.random.key(7)


def make_params(dtype=jnp.float32):
  """A leaf with tiles of its own, short ones, a scalar, and no floats."""
  shapes = {'kernel': (128, 16), 'bias': (16,)}
  draw = lambda i, s: jax.random.normal(jax.random.key(i), s, dtype)
  return {
    'Dense_0': {n: draw(i, s) for i, (n, s) in enumerate(shapes.items())},
    'Dense_1': {'kernel': draw(2, (16, 3))},
    'scale': draw(3, ()),
    'step': jnp.array([3, 4]),
    'trained': jnp.array(True),
  }


PARAMS = make_params()
D = 128 * 16 + 16 + 16 * 3 + 1


class Reparam(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the method with small arguments.
    count: The number of trained scalars on `PARAMS`.
    linear: Whether theta is affine in z.
    nested: Whether a prefix of z is a map of the same kind.
    dependent: Why the draw of a leaf is not its own; empty where it is. What
      is compared is the draw, not theta: `dense` and `sparse` normalise over
      the tree, and the place of a leaf on the common tape of `hashed` and
      `hadamard` moves.
  """

  make: Callable[[], base.Reparam]
  count: int
  linear: bool = True
  nested: bool = False
  dependent: str = ''


REPARAMS = {
  'dense': Reparam(lambda: reparam.dense(dim=6), count=6, nested=True),
  'sparse': Reparam(lambda: reparam.sparse(dim=6), count=6, nested=True),
  'fastfood': Reparam(
    lambda: reparam.fastfood(dim=6),
    count=6,
    nested=True,
    dependent='one vector for the whole tree, by definition',
  ),
  'hadamard': Reparam(lambda: reparam.hadamard(dim=6), count=6, nested=True),
  'hashed': Reparam(lambda: reparam.hashed(dim=6), count=6),
  'full': Reparam(reparam.full, count=D, dependent='nothing is drawn'),
  'select': Reparam(
    lambda: reparam.select(
      {'.*/kernel': reparam.hashed(dim=5), '.*/bias': reparam.full()}
    ),
    count=5 + 16,
  ),
  'chain': Reparam(
    lambda: reparam.chain(reparam.hashed(dim=8), reparam.dense(dim=3)),
    count=3,
    nested=True,
  ),
  'add': Reparam(
    lambda: reparam.add(reparam.hashed(dim=4), reparam.full()), count=4 + D
  ),
}


class Averager(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the averager, for `(every, start)`.
    profile: Returns the weights of the samples at times `[n]`, each of which
      stands for an interval; they sum to 1.
    runs: Whether it is a running mean, with one buffer.
  """

  make: Callable[..., base.Averager]
  profile: Callable[[np.ndarray, int], np.ndarray]
  runs: bool = True


def running(weights):
  return functools.partial(averaging.averager, weights)


def product(weights):
  """The response of a running mean, from its weights alone."""
  kept = np.cumprod((1 - weights)[::-1])[::-1]
  return weights * np.append(kept[1:], 1.0)


def ema_profile(times, interval, decay=0.9):
  shares = decay ** (times[-1] - times) * (1 - decay**interval)
  return np.append(1 - shares[1:].sum(), shares[1:])


def halflife_profile(times, interval, fraction=0.3):
  weights = 1 - 2 ** (-interval / (fraction * times))
  return product(np.append(1.0, weights[1:]))


def mass_profile(times, interval, gamma):
  """The mass of (gamma + 1) t^gamma / T^(gamma + 1) over each interval."""
  ends = np.append(0, times) / times[-1]
  return np.diff(ends ** (gamma + 1))


AVERAGERS = {
  'uniform': Averager(
    running(averaging.uniform()),
    lambda times, interval: np.full(len(times), 1 / len(times)),
  ),
  'ema': Averager(running(averaging.ema(0.9)), ema_profile),
  'power': Averager(
    running(averaging.power(gamma=5.0)),
    functools.partial(mass_profile, gamma=5.0),
  ),
  'halflife': Averager(running(averaging.halflife(0.3)), halflife_profile),
  'window': Averager(
    functools.partial(averaging.window, 3),
    lambda times, interval: np.append(
      np.zeros(max(len(times) - 3, 0)),
      np.full(min(len(times), 3), 1 / min(len(times), 3)),
    ),
    runs=False,
  ),
}


class Delta(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the prune with small arguments.
    full: Returns it with those that keep all.
    kept: How many of `n` values of a leaf it keeps, where that is a number.
    own: Whether a leaf is pruned without a look at others.
    diagonal: Whether every entry is multiplied by a number.
  """

  make: Callable[[], deltas.Prune]
  full: Callable[[], deltas.Prune]
  kept: Callable[[int], int] | None = None
  own: bool = True
  diagonal: bool = True


DELTA = {n: PARAMS[n] for n in ('Dense_1', 'scale', 'step', 'trained')}
QS = {'Dense_1/kernel': jnp.linspace(0.2, 0.9, 3)[None], 'scale': 0.5}
FACTORS = {n: jnp.sin(9 * x) for n, x in trees.floating(DELTA).items()}


DELTAS = {
  'trim': Delta(
    lambda: deltas.trim(0.3), lambda: deltas.trim(1.0), lambda n: 3 * n // 10
  ),
  'trim, row': Delta(
    lambda: deltas.trim(0.3, 'row', axis=-2),
    lambda: deltas.trim(1.0, 'row'),
  ),
  'trim, global': Delta(
    lambda: deltas.trim(0.3, 'global'),
    lambda: deltas.trim(1.0, 'global'),
    own=False,
  ),
  'importance': Delta(
    lambda: deltas.importance(FACTORS, 0.3),
    lambda: deltas.importance(FACTORS, 1.0),
    lambda n: 3 * n // 10,
  ),
  'drop': Delta(lambda: deltas.drop(0.7), lambda: deltas.drop(0.0)),
  'drop_tuned': Delta(
    lambda: deltas.drop_tuned(0.7, QS),
    lambda: deltas.drop_tuned(0.0, 1.0),
  ),
  'drop, l1': Delta(
    lambda: deltas.drop(0.7, 'l1'), lambda: deltas.drop(0.0, 'l1')
  ),
  'magprune': Delta(
    lambda: deltas.magprune(0.5, 0.4),
    lambda: deltas.magprune(1.0, 0.4),
  ),
  'breadcrumbs': Delta(
    lambda: deltas.breadcrumbs(0.3, 0.1, 'leaf'),
    lambda: deltas.breadcrumbs(1.0, 0.0),
    lambda n: 3 * n // 10,
  ),
  'clip': Delta(
    lambda: deltas.clip(0.5), lambda: deltas.clip(1.0), diagonal=False
  ),
  'low_rank': Delta(
    lambda: deltas.low_rank(2), lambda: deltas.low_rank(16), diagonal=False
  ),
  'mask': Delta(
    lambda: deltas.mask(jax.tree.map(lambda x: x > 0, FACTORS)),
    lambda: deltas.mask(jax.tree.map(lambda x: x == x, FACTORS)),
  ),
  'scale': Delta(lambda: deltas.scale(0.5), lambda: deltas.scale(1.0)),
  'keep': Delta(deltas.keep, deltas.keep, lambda n: n),
  'chain': Delta(
    lambda: deltas.chain(deltas.drop(0.5), deltas.trim(0.1, 'global')),
    lambda: deltas.chain(deltas.trim(1.0), deltas.drop(0.0)),
    own=False,
  ),
  'where': Delta(
    lambda: deltas.where('.*/kernel', deltas.trim(0.3), deltas.scale(2.0)),
    lambda: deltas.where('.*/kernel', deltas.trim(1.0)),
  ),
}


class Merge(NamedTuple):
  """A row of the table.

  Attributes:
    make: Returns the recipe with small arguments.
    full: Returns the one that gives a single model back; None where none does.
    error: How far from it, where the arithmetic is not exact.
    known: Returns what the recipe must know of a model.
    models: How many it takes in the tests.
    weighted: Whether models have weights.
    own: Whether a leaf is merged without a look at others.
  """

  make: Callable[[], base.Recipe]
  full: Callable[[], base.Recipe] | None
  error: float = 0.0
  known: Callable[[base.Params], base.Params] | None = None
  models: int = 3
  weighted: bool = True
  own: bool = True


def squares(model):
  return {n: x * x for n, x in weights(model).items()}


def gram(model):
  rows = (jnp.arange(80) % 7).reshape(10, 8).astype(model['scale'].dtype)
  rows = rows + model['scale']
  return merging.grams({'Dense_0/kernel': rows})


MERGES = {
  'breadcrumbs': Merge(
    lambda: merging.breadcrumbs(0.5, 0.2),
    lambda: merging.breadcrumbs(1.0, 0.0, 1.0),
  ),
  'breadcrumbs_ties': Merge(
    lambda: merging.breadcrumbs_ties(0.5, 0.2),
    lambda: merging.breadcrumbs_ties(1.0, 0.0),
  ),
  'dare_linear': Merge(
    lambda: merging.dare_linear(0.5), lambda: merging.dare_linear(0.0)
  ),
  'dare_ties': Merge(
    lambda: merging.dare_ties(0.5),
    lambda: merging.dare_ties(0.0),
    own=False,
  ),
  'della': Merge(
    lambda: merging.della(0.5, 0.4), lambda: merging.della(1.0, scale=1.0)
  ),
  'della_linear': Merge(
    lambda: merging.della_linear(0.5, 0.4), lambda: merging.della_linear(1.0)
  ),
  'fisher': Merge(merging.fisher, merging.fisher, 1e-6, squares, own=False),
  'iso_c': Merge(merging.iso_c, None),
  'iso_cts': Merge(lambda: merging.iso_cts(0.3), None),
  'karcher': Merge(lambda: merging.karcher(2), merging.karcher, 2e-6),
  'linear': Merge(merging.linear, merging.linear),
  'model_stock': Merge(merging.model_stock, None, weighted=False),
  'multislerp': Merge(merging.multislerp, merging.multislerp, 1e-6),
  'nuslerp': Merge(merging.nuslerp, None, models=2),
  'nuslerp, row': Merge(lambda: merging.nuslerp(per='row'), None, models=2),
  'pcb': Merge(lambda: merging.pcb(0.4), None, own=False),
  'regmean': Merge(merging.regmean, merging.regmean, 1e-6, gram),
  'sce': Merge(lambda: merging.sce(0.6), merging.sce, 2e-7, weighted=False),
  'slerp': Merge(
    lambda: merging.slerp(0.3),
    lambda: merging.slerp(1.0),
    1e-6,
    models=1,
    weighted=False,
  ),
  'task_arithmetic': Merge(merging.task_arithmetic, merging.task_arithmetic),
  'ties': Merge(
    lambda: merging.ties(0.5), lambda: merging.ties(1.0), own=False
  ),
  'ties, leaf': Merge(
    lambda: merging.ties(0.5, scope='leaf'),
    lambda: merging.ties(1.0, scope='leaf'),
  ),
  'ties, mergekit': Merge(
    lambda: merging.ties(0.5, compat='mergekit'),
    lambda: merging.ties(1.0, compat='mergekit'),
  ),
  'tsv': Merge(merging.tsv, merging.tsv, 5e-6),
  'widen': Merge(merging.widen, merging.widen),
}

# Of each package: its table, and its public functions that are no methods.
TABLES = {
  'averaging': (
    AVERAGERS,
    (
      'as_optax',
      'averaged_params',
      'averager',
      'branch_and_merge',
      'collapse_experts',
      'combine',
      'diwa',
      'gamma_to_sigma_rel',
      'greedy_soup',
      'learned_soup',
      'lerp',
      'posthoc',
      'power_warmup',
      'pull_experts',
      'ratio_warmup',
      'reestimate_batch_stats',
      'response',
      'share_rate',
      'sigma_rel_to_gamma',
      'slerp',
      'uniform_soup',
      'warp',
      'wise_ft',
    ),
  ),
  'deltas': (
    DELTAS,
    (
      'add',
      'adam_toward_base',
      'analytic_q',
      'learn_mask',
      'lost',
      'lost_in',
      'overlap',
      'random_mask',
      'subtract',
      'threshold',
      'top_movement_mask',
      'tune_q_by_change',
      'tune_q_by_score',
    ),
  ),
  'matching': (
    {},
    (
      'activation_matching',
      'activation_statistics',
      'add_statistics',
      'alignment',
      'auction',
      'between',
      'fold_norms',
      'frank_wolfe',
      'lapx',
      'match_many',
      'orthogonal',
      'repair',
      'repairer',
      'rotate',
      'scipy',
      'straight_through',
      'weight_matching',
    ),
  ),
  'merging': (
    MERGES,
    (
      'adamerging',
      'axes',
      'dumps',
      'extract_lora',
      'fisher_diagonal',
      'grams',
      'layer_inputs',
      'loads',
      'merge',
      'merge_files',
      'opcm',
      'plan_files',
    ),
  ),
  'probes': (
    {},
    (
      'barrier',
      'bezier',
      'curve',
      'curve_trainer',
      'fresh_batch_stats',
      'line',
      'plane',
      'point',
      'polygon',
      'simplex',
      'train_curve',
    ),
  ),
  'reparam': (
    REPARAMS,
    ('count', 'fingerprint', 'load', 'merge', 'rebase', 'save'),
  ),
  'symmetry': (
    {},
    (
      'act',
      'act_on_leaf',
      'blocks',
      'check',
      'complete',
      'compose',
      'derive',
      'describe',
      'dumps',
      'factors',
      'fit',
      'from_rules',
      'identity',
      'inverse',
      'loads',
      'random',
      'shapes',
      'verify',
    ),
  ),
}
NO_METHODS = ('cli', 'files', 'launch')  # Packages without methods.


def normal(seed, like):
  flat, unravel = ravel_pytree(like)
  return unravel(jax.random.normal(jax.random.key(seed), flat.shape))


def compiled(f):
  """Compiles in half the time, to what runs slower."""
  return jax.jit(f, compiler_options={'xla_backend_optimization_level': 0})


def weights(tree):
  return trees.floating(tree)


# The table.


def packages():
  found = pkgutil.iter_modules(paramspace.__path__)
  return [m.name for m in found if m.ispkg and m.name not in NO_METHODS]


@pytest.mark.parametrize('package', packages())
def test_every_public_method_has_a_row(package):
  assert package in TABLES, f'Add the package {package!r} to TABLES.'
  table, others = TABLES[package]
  names = importlib.import_module(f'paramspace.{package}').__all__
  methods = {n for n in names if n.islower()} - set(others)
  rows = {name.partition(',')[0] for name in table}  # 'name, variant'.
  missing, gone = methods - rows, rows - methods
  assert not missing, f'{package}: add a row for {sorted(missing)}.'
  assert not gone, f'{package}: rows without a method: {sorted(gone)}.'
  assert set(others) <= set(names), f'{package}: no longer public: {others}.'
