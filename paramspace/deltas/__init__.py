"""Differences between two models: taken, pruned and put back."""

from paramspace.deltas._adam_toward_base import adam_toward_base
from paramspace.deltas._adam_toward_base import TowardBaseState
from paramspace.deltas._analytic_q import analytic_q
from paramspace.deltas._arithmetic import add
from paramspace.deltas._arithmetic import subtract
from paramspace.deltas._breadcrumbs import breadcrumbs
from paramspace.deltas._clip import clip
from paramspace.deltas._combine import chain
from paramspace.deltas._combine import keep
from paramspace.deltas._combine import where
from paramspace.deltas._drop import drop
from paramspace.deltas._drop_tuned import drop_tuned
from paramspace.deltas._grafting import overlap
from paramspace.deltas._grafting import random_mask
from paramspace.deltas._grafting import top_movement_mask
from paramspace.deltas._importance import importance
from paramspace.deltas._learn_mask import learn_mask
from paramspace.deltas._learn_mask import LearnedMask
from paramspace.deltas._lost import Loss
from paramspace.deltas._lost import Lost
from paramspace.deltas._lost import lost
from paramspace.deltas._lost import lost_in
from paramspace.deltas._low_rank import low_rank
from paramspace.deltas._magprune import magprune
from paramspace.deltas._mask import mask
from paramspace.deltas._prune import Prune
from paramspace.deltas._prune import Round
from paramspace.deltas._scale import scale
from paramspace.deltas._threshold import threshold
from paramspace.deltas._trim import trim
from paramspace.deltas._tune_q import tune_q_by_change
from paramspace.deltas._tune_q import tune_q_by_score
from paramspace.deltas._tune_q import TunedQ

__all__ = (
  'LearnedMask',
  'Loss',
  'Lost',
  'Prune',
  'Round',
  'TowardBaseState',
  'TunedQ',
  'add',
  'adam_toward_base',
  'analytic_q',
  'breadcrumbs',
  'chain',
  'clip',
  'drop',
  'drop_tuned',
  'importance',
  'keep',
  'learn_mask',
  'lost',
  'lost_in',
  'low_rank',
  'magprune',
  'mask',
  'overlap',
  'random_mask',
  'scale',
  'subtract',
  'threshold',
  'top_movement_mask',
  'trim',
  'tune_q_by_change',
  'tune_q_by_score',
  'where',
)
