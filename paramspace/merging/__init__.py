"""Models merged into one: each recipe is a prune, then a combine."""

from paramspace.merging._adamerging import Adamerged
from paramspace.merging._adamerging import adamerging
from paramspace.merging._breadcrumbs import breadcrumbs
from paramspace.merging._breadcrumbs import breadcrumbs_ties
from paramspace.merging._config import dumps
from paramspace.merging._config import loads
from paramspace.merging._dare import dare_linear
from paramspace.merging._dare import dare_ties
from paramspace.merging._della import della
from paramspace.merging._della import della_linear
from paramspace.merging._extract_lora import extract_lora
from paramspace.merging._fisher import fisher
from paramspace.merging._fisher_diagonal import fisher_diagonal
from paramspace.merging._grams import grams
from paramspace.merging._iso_c import iso_c
from paramspace.merging._iso_cts import iso_cts
from paramspace.merging._karcher import karcher
from paramspace.merging._layer_inputs import layer_inputs
from paramspace.merging._layout import Axes
from paramspace.merging._layout import axes
from paramspace.merging._linear import linear
from paramspace.merging._merge import merge
from paramspace.merging._merge_files import merge_files
from paramspace.merging._merge_files import plan_files
from paramspace.merging._model_stock import model_stock
from paramspace.merging._multislerp import multislerp
from paramspace.merging._nuslerp import nuslerp
from paramspace.merging._opcm import Continual
from paramspace.merging._opcm import opcm
from paramspace.merging._opcm import OpcmState
from paramspace.merging._pcb import pcb
from paramspace.merging._regmean import regmean
from paramspace.merging._sce import sce
from paramspace.merging._slerp import slerp
from paramspace.merging._task_arithmetic import task_arithmetic
from paramspace.merging._ties import ties
from paramspace.merging._tsv import tsv
from paramspace.merging._widen import widen

__all__ = (
  'Adamerged',
  'Axes',
  'Continual',
  'OpcmState',
  'adamerging',
  'axes',
  'breadcrumbs',
  'breadcrumbs_ties',
  'dare_linear',
  'dare_ties',
  'della',
  'della_linear',
  'dumps',
  'extract_lora',
  'fisher',
  'fisher_diagonal',
  'grams',
  'iso_c',
  'iso_cts',
  'karcher',
  'layer_inputs',
  'linear',
  'loads',
  'merge',
  'merge_files',
  'model_stock',
  'multislerp',
  'nuslerp',
  'opcm',
  'pcb',
  'plan_files',
  'regmean',
  'sce',
  'slerp',
  'task_arithmetic',
  'ties',
  'tsv',
  'widen',
)
