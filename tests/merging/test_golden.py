"""What mergekit 0.1.5, PEFT 0.21.2, and the code of TIES and PCB return."""

import functools

import jax
import numpy as np
import pytest

from paramspace import merging
from paramspace import trees

SIZE = 2208  # Of the tree.


def official(percent):
  """The density with which as many are kept as by the authors' TIES."""
  return (SIZE * percent // 100 + 1.5) / SIZE


ties = merging.ties
mergekit = functools.partial(ties, compat='mergekit')
peft = functools.partial(ties, compat='peft')

# By case: the recipe, the models, and their weights.
ALL = '012'
MODELS = {
  'mergekit/task_arithmetic': (merging.task_arithmetic(0.7), ALL, 'given'),
  'mergekit/ties_d0.1': (mergekit(0.1), ALL, 'given'),
  'mergekit/ties_d0.5': (mergekit(0.5), ALL, 'given'),
  'mergekit/ties_equal': (mergekit(0.3), ALL, None),
  'mergekit/breadcrumbs': (
    merging.breadcrumbs(0.6, 0.05, 1.0, 'mergekit'),
    ALL,
    'given',
  ),
  'mergekit/linear': (merging.linear(), ALL, 'given'),
  'mergekit/slerp': (merging.slerp(0.35, straight=0.9995), '0', None),
  'mergekit/model_stock': (merging.model_stock(), ALL, None),
  'mergekit/nuslerp': (merging.nuslerp(), '01', [0.4, 0.6]),
  'mergekit/karcher': (merging.karcher(), ALL, None),
  'mergekit/multislerp': (merging.multislerp(), ALL, 'given'),
  'mergekit/sce': (merging.sce(0.4), ALL, None),
}
DELTAS = {
  'peft/task_arithmetic': (merging.task_arithmetic(), ALL, 'given'),
  'peft/ties_total': (peft(0.3), ALL, 'given'),
  'peft/ties_frequency': (peft(0.3, sign='frequency'), ALL, 'given'),
  'ties_official/K20_dis-mean': (ties(official(20)), ALL, None),
  'ties_official/K50_dis-mean': (ties(official(50)), ALL, None),
  'ties_official/K20_dis-sum': (ties(official(20), reduce='sum'), ALL, None),
  'ties_official/K20_dis-max': (ties(official(20), reduce='max'), ALL, None),
  'pcb_official/r0.1': (merging.pcb(0.1), ALL, None),
  'pcb_official/r0.05': (merging.pcb(0.05), ALL, None),
}


# These have much in common, which is computed once in one program.
TOGETHER = (
  ('peft/ties_total', 'peft/ties_frequency'),
  tuple(f'ties_official/K20_dis-{name}' for name in ('mean', 'sum', 'max')),
  ('pcb_official/r0.1', 'pcb_official/r0.05'),
)


@pytest.fixture(scope='module')
def merged(golden):
  """Returns the merged leaves of a case."""
  tuned = {name: golden[f'tuned{name}'] for name in ALL}

  def run(case, base, tuned):
    recipe, models, weights = (MODELS | DELTAS)[case]
    weights = golden['weights'] if weights == 'given' else weights
    weights = weights and dict(zip(models, weights, strict=True))
    chosen = {name: tuned[name] for name in models}
    return merging.merge(base, chosen, recipe, weights=weights)

  @functools.cache
  def results(cases):
    # Half the time to compile, and it runs once.
    every = jax.jit(
      lambda *given: [run(case, *given) for case in cases],
      compiler_options={'xla_backend_optimization_level': 0},
    )
    return dict(zip(cases, every(golden['base'], tuned), strict=True))

  def find(case):
    cases = next((group for group in TOGETHER if case in group), (case,))
    return trees.named(results(cases)[case])

  return find


@pytest.mark.parametrize('case', MODELS)
def test_the_merged_model_is_that_of(case, merged, golden):
  expected = trees.named(golden[case])
  for name, x in merged(case).items():
    np.testing.assert_allclose(x, expected[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize('case', DELTAS)
def test_the_merged_delta_is_that_of(case, merged, golden):
  expected, base = trees.named(golden[case]), trees.named(golden['base'])
  for name, x in merged(case).items():
    delta = np.asarray(x) - base[name]
    np.testing.assert_allclose(delta, expected[name], rtol=0, atol=1e-6)
