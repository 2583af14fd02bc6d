"""What is measured in parameter space: paths between models, and planes."""

from paramspace.probes._barrier import barrier
from paramspace.probes._batch_stats import fresh_batch_stats
from paramspace.probes._curve import bezier
from paramspace.probes._curve import Curve
from paramspace.probes._curve import curve
from paramspace.probes._curve import point
from paramspace.probes._curve import polygon
from paramspace.probes._line import line
from paramspace.probes._line import Path
from paramspace.probes._plane import Plane
from paramspace.probes._plane import plane
from paramspace.probes._settings import Settings
from paramspace.probes._simplex import Simplex
from paramspace.probes._simplex import simplex
from paramspace.probes._train_curve import curve_trainer
from paramspace.probes._train_curve import CurveTrainer
from paramspace.probes._train_curve import train_curve
from paramspace.probes._train_curve import TrainedCurve

__all__ = (
  'Curve',
  'CurveTrainer',
  'Path',
  'Plane',
  'Settings',
  'Simplex',
  'TrainedCurve',
  'barrier',
  'bezier',
  'curve',
  'curve_trainer',
  'fresh_batch_stats',
  'line',
  'plane',
  'point',
  'polygon',
  'simplex',
  'train_curve',
)
