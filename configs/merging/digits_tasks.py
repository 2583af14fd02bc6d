r"""MNIST, Fashion-MNIST, USPS, turned and inverted: 2 to 8 in one encoder.

Papers: Yadav et al, 2023, https://arxiv.org/abs/2306.01708: accuracy falls with
  the number of tasks, TIES falls the least, and signs that disagree are why.
Run: paramspace reproduce configs/merging/digits_tasks.py
Time: 8 min on 2 cores, that had other work too.
Expect: of the accuracy of a task's own encoder, .89, average and task
  arithmetic keep .90 of it for pairs and .78 for all 8, TIES .88 and .75,
  RegMean .96 and .82, TSV-M .93 and .82, Iso-C .93 and .81, Fisher .93 and .78;
  DARE-TIES, DELLA and PCB .77 for all, and what all begin with .72 (3 seeds).
  So TIES does not lead here: it is last for all 8. Signs conflict in .47 of the
  entries that two tasks keep, nearly chance, and more with more tasks: over all
  subsets the rank correlation with accuracy is -.76, but over pairs, where the
  number is the same, .28 (p = .21) of task arithmetic, .49 (p = .02) of TIES,
  .64 (p = .003) of RegMean: more conflict within a pair is no greater loss.

The pretrained encoder is a weak one on purpose, trained on the mixture of all
tasks for 40 steps, with the heads: merging needs a common basin, and heads that
are all of one encoder; but what is merged should be learned apart. As the text
heads of CLIP, heads are not tuned after that, and never merged.
"""

from collections.abc import Iterator

import ml_collections

from paramspace.launch import axes
from paramspace.launch import claims

FIGURE = 'experiments.figures.digits_tasks'


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/digits_tasks` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.digits_tasks'
  config.scale = scale
  config.seed = 0
  config.tasks = (
    'mnist',
    'mnist_rotated',  # By 90 degrees.
    'mnist_inverted',
    'fashion_mnist',
    'fashion_mnist_rotated',
    'fashion_mnist_inverted',
    'usps',
    'usps_rotated',
  )
  if smoke:
    config.tasks = ('digits', 'digits_rotated', 'digits_inverted')
  config.side = 8 if smoke else 28
  config.splits = (
    dict(train=1_000, validation=400, test=360)
    if smoke
    else dict(train=6_000, validation=500, test=1_000)
  )
  # The encoder: a network without its classifier, and as many features.
  config.model = dict(name='fc', depth=2, width=32 if smoke else 256)
  config.features = 32 if smoke else 128
  config.pretrain = dict(  # On all tasks, encoder and heads.
    steps=40,
    examples=200 if smoke else 500,  # Of each task, the first.
    batch_size=16,  # Of each task.
    learning_rate=1e-3,
  )
  config.finetune = dict(  # On each task, the encoder alone.
    steps={'smoke': 60, 'laptop': 400, 'paper': 2_000}[scale],
    examples=1_000 if smoke else 6_000,
    batch_size=64,
    learning_rate=3e-3 if smoke else 5e-4,
  )
  config.sizes = {  # Of the subsets whose encoders are merged.
    'smoke': (2, 3),
    'laptop': (2, 3, 4, 6, 8),
    'paper': (2, 3, 4, 5, 6, 7, 8),
  }[scale]
  config.recipes = dict(
    average=dict(name='linear'),
    task_arithmetic=dict(name='task_arithmetic'),
    ties=dict(name='ties', density=0.2),
    # Not 0.9: the deltas of so small an encoder are large.
    dare_ties=dict(name='dare_ties', rate=0.5),
    della=dict(name='della', density=0.7, window=0.14, scale=1.0),
    pcb=dict(name='pcb', density=0.1),
    tsv=dict(name='tsv'),
    iso_c=dict(name='iso_c'),
    fisher=dict(name='fisher'),
    regmean=dict(name='regmean', off_diagonal=0.9),
  )
  # Of recipes that have one, chosen for each subset on the validation split.
  config.scales = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.5)
  config.examples = dict(fisher=64, grams=1_000)  # Of each task, training.
  config.conflict_density = 0.2  # What is kept when signs are compared.
  config.nonfinite = 'stop'
  config.execution = dict(log_every=50, checkpoint_seconds=60.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields the seeds."""
  yield from axes.over('seed', range(1 if scale == 'smoke' else 3))


def claim(scale: str = 'laptop') -> list[claims.Claim]:
  """Returns what the sweep should find."""
  if scale != 'laptop':
    return []
  ours = 'measured here'
  paper = 'Yadav et al, 2023, in words'
  leads = 'the paper finds TIES above the average'
  chance = 'p = .21: not told from 0'
  return [
    claims.Claim('single', None, 0.889, 0.02, ours),
    claims.Claim('pretrained/8', None, 0.722, 0.05, ours),
    claims.Claim('average/2', None, 0.904, 0.03, ours),
    claims.Claim('average/8', None, 0.775, 0.04, ours),
    claims.Claim('ties/8', None, 0.755, 0.04, paper, leads),
    claims.Claim('regmean/2', None, 0.955, 0.02, ours),
    claims.Claim('regmean/8', None, 0.823, 0.03, ours),
    claims.Claim('tsv/8', None, 0.817, 0.04, ours),
    claims.Claim('task_arithmetic/spearman_subsets', None, -0.76, 0.15, paper),
    claims.Claim(
      'task_arithmetic/spearman_pairs', None, 0.28, 1.5, ours, chance
    ),
  ]
