"""Averages of parameters: during training, after it, and over runs."""

from paramspace.averaging._averager import averager
from paramspace.averaging._averager import RunningState
from paramspace.averaging._combine import combine
from paramspace.averaging._optax import as_optax
from paramspace.averaging._optax import averaged_params
from paramspace.averaging._posthoc import Coefficients
from paramspace.averaging._posthoc import posthoc
from paramspace.averaging._profile import gamma_to_sigma_rel
from paramspace.averaging._profile import sigma_rel_to_gamma
from paramspace.averaging._response import response
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
  'RunningState',
  'Weights',
  'WindowState',
  'as_optax',
  'averaged_params',
  'averager',
  'combine',
  'ema',
  'gamma_to_sigma_rel',
  'halflife',
  'posthoc',
  'power',
  'power_warmup',
  'ratio_warmup',
  'response',
  'sigma_rel_to_gamma',
  'uniform',
  'window',
)
