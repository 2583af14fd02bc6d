r"""MNIST: networks of different classes merged, matched first or not.

Question: nobody's figure. Model merging asks that all models were tuned from
  one; matching, Ainsworth et al, 2023, https://arxiv.org/abs/2209.04836, brings
  together what was not. Do task arithmetic and TIES work then?
Run: paramspace reproduce configs/matching/mnist_mlp_merging.py
Time: 13 min on 2 cores beside other work; 6 min of it computing.
Expect: the test accuracy over all classes of two networks of 784-256-256-10,
  with 50%, 80%, 95% and 100% of the images of their own five classes, 3 seeds.
  Averaged as they are, .750, .792, .783 and .566; after weight matching .957,
  .957, .932 and .662, and with statistics reset .963, .960, .946 and .788;
  after activation matching .963, .960, .943 and .682. Begun with the same
  weights .974, .968, .945 and .818. So matching makes up for most of what no
  common initialisation costs, and not for all. One network alone has .972,
  .961, .922 and .494, and the mean of both answers .976, .974, .967 and .912:
  a merge beats one network where their classes differ most, and never their
  answers. The scale that task arithmetic chooses is worth .02 to .03 at 100%,
  and nothing elsewhere. TIES, whose trim keeps a fifth, is below the average by
  .01 to .06 after weight matching with reset, by .00 to .02 after activations.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.matched_merging'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/mode_connectivity/merging.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.mode_connectivity.merging'
  config.scale = scale
  config.seed = 0
  config.data = 'digits' if smoke else 'mnist'
  config.model = dict(name='fc', depth=2, width=32 if smoke else 256)
  config.held_out = 100 if smoke else 2_000  # To choose scales by.
  config.parts = 2  # Networks, and groups of classes.
  config.own = 0.8  # The share of a network's images that is of its group.
  config.together = False  # Whether all begin with the same weights.
  config.training_examples = 1_200 if smoke else 48_000  # Of all together.
  config.training = dict(  # Adam.
    epochs={'smoke': 10, 'laptop': 8, 'paper': 100}[scale],
    batch_size=100 if smoke else 250,
    learning_rate=1e-3,
    nonfinite='stop',
  )
  config.method = 'weight_matching'  # Or 'none', or 'activation_matching'.
  config.repair = False
  config.recipes = dict(
    average=dict(name='linear'),
    task_arithmetic=dict(name='task_arithmetic'),
    ties=dict(name='ties', density=0.2),
  )
  # Of recipes that have one, chosen for each point on what is held out.
  config.scales = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3, 1.6, 2.0)
  config.activation_examples = 200 if smoke else 10_000
  config.repair_examples = 100 if smoke else 2_000
  config.execution = dict(log_every=96, checkpoint_seconds=60.0)
  return config


SHARES = {
  'smoke': (0.5, 1.0),
  'laptop': (0.5, 0.8, 0.95, 1.0),
  'paper': (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
}
# Whether all begin together; the method; whether statistics are reset.
WAYS = (
  (True, 'none', False),
  (True, 'none', True),
  (False, 'none', False),
  (False, 'none', True),
  (False, 'weight_matching', False),
  (False, 'weight_matching', True),
  (False, 'activation_matching', False),
  (False, 'activation_matching', True),
)


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the ways to match, at every share, for each seed."""
  together, methods, repairs = zip(*WAYS, strict=True)
  yield from axes.product(
    axes.over('seed', range(1 if scale == 'smoke' else 3)),
    axes.over('own', SHARES[scale]),
    axes.zipped(
      axes.over('together', together),
      axes.over('method', methods),
      axes.over('repair', repairs),
    ),
  )


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours = 'measured here'
  names = {
    '0.5/none/average': (0.750, 0.1),
    '0.5/weight_matching/average': (0.957, 0.01),
    '0.5/together/none/average': (0.974, 0.005),
    '0.95/none/average': (0.783, 0.1),
    '0.95/weight_matching+reset/average': (0.946, 0.01),
    '0.95/single': (0.922, 0.02),
    '1/none+reset/task_arithmetic': (0.722, 0.1),
    '1/weight_matching+reset/task_arithmetic': (0.811, 0.06),
    '1/weight_matching+reset/ties': (0.733, 0.06),
    '1/together/none+reset/task_arithmetic': (0.858, 0.04),
    '1/ensemble': (0.912, 0.02),
  }
  return [
    claims.Claim(name, None, value, wide, ours)
    for name, (value, wide) in names.items()
  ]
