r"""all-MiniLM-L6-v2, fine-tuned on six tasks on sentences.

What `minilm_tasks`, `minilm_drop_rate` and `minilm_grafting` begin with; they
run what they need of it themselves.

Run: paramspace sweep configs/merging/minilm_finetuning.py
"""

from collections.abc import Iterator

import ml_collections

SHARED = 'minilm'

# Tokens of a text, longer ones are cut; and steps.
TASKS = {
  'sst2': (40, 150),
  'cola': (20, 400),
  'rte': (80, 150),
  'trec': (16, 150),
  'subj': (40, 100),
  'mr': (40, 150),
}


def get_config(scale: str = 'laptop') -> ml_collections.ConfigDict:
  """Returns one point; `experiments/sentence_finetuning.py` reads it."""
  smoke = scale == 'smoke'
  config = ml_collections.ConfigDict()
  config.study = 'experiments.sentence_finetuning'
  config.scale = scale
  config.seed = 0
  config.model = 'all-MiniLM-L6-v2'
  # All but the embeddings.
  config.trained = 'params/block_0.*' if smoke else 'params/block_.*'
  config.task = 'sst2'
  config.length, config.steps = TASKS[config.task]
  if smoke:
    config.length = 16
  config.examples = dict(
    train=40 if smoke else None,
    validation=20 if smoke else 128,
    test=20 if smoke else 400,
  )
  config.head_examples = 40 if smoke else 1_000  # That the head is fitted to.
  if scale != 'laptop':
    config.steps = 3 if smoke else 3_000
  config.batch_size = {'smoke': 4, 'laptop': 16, 'paper': 32}[scale]
  config.optimizer = dict(
    name='adam',  # Or 'adam_toward_base', with the decay below.
    learning_rate=2e-4,
    warmup=0.1,  # A share of the steps.
    decay=0.0,
  )
  config.nonfinite = 'stop'
  config.execution = dict(log_every=20, checkpoint_seconds=120.0)
  return config


def sweep(scale: str = 'laptop') -> Iterator[dict]:
  """Yields every task for each seed."""
  for seed in range(1 if scale == 'smoke' else 3):
    for task, (length, steps) in TASKS.items():
      length = 16 if scale == 'smoke' else length
      point = {'seed': seed, 'task': task, 'length': length}
      yield point | ({'steps': steps} if scale == 'laptop' else {})
