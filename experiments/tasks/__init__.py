"""Data, a model and a loss, put together."""

from experiments.tasks.classification import make
from experiments.tasks.classification import Split
from experiments.tasks.classification import Task
from experiments.tasks.evaluation import BATCH_SIZE
from experiments.tasks.evaluation import evaluate
from experiments.tasks.evaluation import Evaluation
from experiments.tasks.normalized import make_normalized
from experiments.tasks.normalized import NormalizedTask
from experiments.tasks.normalized import Variables

__all__ = (
  'BATCH_SIZE',
  'Evaluation',
  'NormalizedTask',
  'Split',
  'Task',
  'Variables',
  'evaluate',
  'make',
  'make_normalized',
)
