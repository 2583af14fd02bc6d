"""Differences between two models: taken, pruned and put back."""

from paramspace.deltas._adam_toward_base import adam_toward_base
from paramspace.deltas._adam_toward_base import TowardBaseState
from paramspace.deltas._arithmetic import add
from paramspace.deltas._arithmetic import subtract
from paramspace.deltas._breadcrumbs import breadcrumbs
from paramspace.deltas._clip import clip
from paramspace.deltas._combine import chain
from paramspace.deltas._combine import keep
from paramspace.deltas._combine import where
from paramspace.deltas._drop import drop
from paramspace.deltas._grafting import overlap
from paramspace.deltas._grafting import top_movement_mask
from paramspace.deltas._importance import importance
from paramspace.deltas._lost import Loss
from paramspace.deltas._lost import Lost
from paramspace.deltas._lost import lost
from paramspace.deltas._low_rank import low_rank
from paramspace.deltas._magprune import magprune
from paramspace.deltas._mask import mask
from paramspace.deltas._prune import Prune
from paramspace.deltas._prune import Round
from paramspace.deltas._scale import scale
from paramspace.deltas._trim import trim

__all__ = (
  'Loss',
  'Lost',
  'Prune',
  'Round',
  'TowardBaseState',
  'add',
  'adam_toward_base',
  'breadcrumbs',
  'chain',
  'clip',
  'drop',
  'importance',
  'keep',
  'lost',
  'low_rank',
  'magprune',
  'mask',
  'overlap',
  'scale',
  'subtract',
  'top_movement_mask',
  'trim',
  'where',
)
