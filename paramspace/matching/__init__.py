"""Elements of a group of symmetries that move one model near to another."""

from paramspace.matching._activation_matching import activation_matching
from paramspace.matching._alignment import Alignment
from paramspace.matching._alignment import alignment
from paramspace.matching._alignment import LeafAlignment
from paramspace.matching._auction import auction
from paramspace.matching._fold import fold_norms
from paramspace.matching._fold import Norm
from paramspace.matching._frame import between
from paramspace.matching._frame import Matches
from paramspace.matching._frank_wolfe import frank_wolfe
from paramspace.matching._lapx_solver import lapx
from paramspace.matching._match import Match
from paramspace.matching._match_many import match_many
from paramspace.matching._moments import activation_statistics
from paramspace.matching._moments import add_statistics
from paramspace.matching._moments import Moments
from paramspace.matching._orthogonal import orthogonal
from paramspace.matching._orthogonal import Rotated
from paramspace.matching._repair import repair
from paramspace.matching._repair import Repaired
from paramspace.matching._repair import repairer
from paramspace.matching._repair import Site
from paramspace.matching._rotate import rotate
from paramspace.matching._scipy_solver import scipy
from paramspace.matching._straight_through import straight_through
from paramspace.matching._weight_matching import weight_matching

__all__ = (
  'Alignment',
  'LeafAlignment',
  'Match',
  'Matches',
  'Moments',
  'Norm',
  'Repaired',
  'Rotated',
  'Site',
  'activation_matching',
  'activation_statistics',
  'add_statistics',
  'alignment',
  'auction',
  'between',
  'fold_norms',
  'frank_wolfe',
  'lapx',
  'match_many',
  'orthogonal',
  'repair',
  'repairer',
  'rotate',
  'scipy',
  'straight_through',
  'weight_matching',
)
