"""Averages of parameters: during training, after it, and over runs."""

from paramspace.averaging._averager import averager
from paramspace.averaging._averager import CompensatedState
from paramspace.averaging._averager import RunningState
from paramspace.averaging._batch_stats import reestimate_batch_stats
from paramspace.averaging._branch_and_merge import branch_and_merge
from paramspace.averaging._combine import combine
from paramspace.averaging._experts import collapse_experts
from paramspace.averaging._experts import pull_experts
from paramspace.averaging._experts import share_rate
from paramspace.averaging._interpolate import lerp
from paramspace.averaging._interpolate import slerp
from paramspace.averaging._interpolate import wise_ft
from paramspace.averaging._learned import learned_soup
from paramspace.averaging._learned import LearnedSoup
from paramspace.averaging._optax import as_optax
from paramspace.averaging._optax import averaged_params
from paramspace.averaging._posthoc import Coefficients
from paramspace.averaging._posthoc import posthoc
from paramspace.averaging._profile import gamma_to_sigma_rel
from paramspace.averaging._profile import sigma_rel_to_gamma
from paramspace.averaging._response import response
from paramspace.averaging._soups import diwa
from paramspace.averaging._soups import greedy_soup
from paramspace.averaging._soups import Soup
from paramspace.averaging._soups import uniform_soup
from paramspace.averaging._warp import warp
from paramspace.averaging._warp import Warped
from paramspace.averaging._weights import ema
from paramspace.averaging._weights import halflife
from paramspace.averaging._weights import power
from paramspace.averaging._weights import power_warmup
from paramspace.averaging._weights import ratio_warmup
from paramspace.averaging._weights import uniform
from paramspace.averaging._weights import Weights
from paramspace.averaging._window import window
from paramspace.averaging._window import WindowState

__all__ = (
  'Coefficients',
  'CompensatedState',
  'LearnedSoup',
  'RunningState',
  'Soup',
  'Warped',
  'Weights',
  'WindowState',
  'as_optax',
  'averaged_params',
  'averager',
  'branch_and_merge',
  'collapse_experts',
  'combine',
  'diwa',
  'ema',
  'gamma_to_sigma_rel',
  'greedy_soup',
  'halflife',
  'learned_soup',
  'lerp',
  'posthoc',
  'power',
  'power_warmup',
  'pull_experts',
  'ratio_warmup',
  'reestimate_batch_stats',
  'response',
  'share_rate',
  'sigma_rel_to_gamma',
  'slerp',
  'uniform',
  'uniform_soup',
  'warp',
  'window',
  'wise_ft',
)
