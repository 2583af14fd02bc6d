r"""MNIST, soups of 12 fine-tunes, on USPS and rotated digits too.

Paper: Wortsman et al, 2022, https://arxiv.org/abs/2203.05482, and Rame et al,
  2022, https://arxiv.org/abs/2205.09739. Of 72 CLIP models on ImageNet the
  greedy soup gains 0.6 points of accuracy over the best, and 2.9 out of
  distribution; the uniform one loses 0.4, and gains 3.6.
Run: paramspace reproduce configs/averaging/soups_mnist.py
Time: 9 min on 2 cores, that had other work too.
Expect: over the best of 12, the greedy soup gains 0.5 points on MNIST and 1.1
  (95%: 0.0 to 2.5) out of it, the uniform one 0.7 and 2.2 (1.4 to 3.0), over 5
  sets. A model's squared error is 35% variance on MNIST, 17 to 32% out of it;
  after averaging 3 to 4% are left, with the covariance, and to average weights
  and not answers costs 4 to 10%. Begun apart, the average of all is at chance.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.soups'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/soups.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.soups'
  config.scale = scale
  config.seed = 0
  config.data = 'mnist'
  config.model = dict(name='fc', depth=2, width=200)
  config.sets = {'smoke': 2, 'laptop': 5, 'paper': 20}[scale]
  config.members = 3 if smoke else 12
  config.shared = True  # Whether the members of a set begin as one.
  config.validation = 1_000 if smoke else 5_000  # The last of the training set.
  config.pretrain = dict(
    examples=500 if smoke else 5_000,  # The first of it.
    epochs=1 if smoke else 3,
    learning_rate=1e-3,
  )
  config.finetune = dict(
    examples={'smoke': 1_000, 'laptop': 10_000, 'paper': 55_000}[scale],
    epochs=1 if smoke else 10,
    learning_rates=(1e-3, 2e-3, 3e-3),  # Each member draws one.
    weight_decays=(1e-4, 1e-2),
  )
  config.learned_epochs = 1 if smoke else 5
  config.batch_size = 64
  config.usps = not smoke  # Whether to measure on USPS.
  config.degrees = (
    (30,) if smoke else (15, 30, 45)
  )  # By which test digits are turned.
  config.nonfinite = 'stop'
  config.execution = dict(log_every=156, checkpoint_seconds=60.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields sets that begin as one, and as a control those that do not."""
  del scale
  yield from axes.over('shared', (True, False))


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  always = claims.Claim(
    quantity='greedy_not_worse',
    paper=1.0,
    ours=1.0,
    tolerance=0.0,
    source='Wortsman et al, 2022, Recipe 1',
    note='on the examples that choose the soup',
  )
  if scale == 'smoke':
    return [always]
  clip = 'Wortsman et al, 2022, CLIP on ImageNet'
  return [
    always,
    claims.Claim('uniform_gain_test', -0.0042, 0.0070, 0.8, clip),
    claims.Claim('uniform_gain_out', 0.0361, 0.0217, 0.5, clip),
    claims.Claim('greedy_gain_out', 0.0289, 0.0107, 1.0, clip),
    claims.Claim('apart_uniform', None, 0.104, 0.5, 'chance is 0.1'),
  ]
