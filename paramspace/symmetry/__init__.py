"""Permutations of parameters under which a model's function stays the same."""

from paramspace.symmetry._act import act
from paramspace.symmetry._act import act_on_leaf
from paramspace.symmetry._axis import Axis
from paramspace.symmetry._axis import blocks
from paramspace.symmetry._axis import Concat
from paramspace.symmetry._axis import Factor
from paramspace.symmetry._axis import factors
from paramspace.symmetry._axis import Product
from paramspace.symmetry._complete import complete
from paramspace.symmetry._complete import Missed
from paramspace.symmetry._derive import derive
from paramspace.symmetry._describe import describe
from paramspace.symmetry._element import check
from paramspace.symmetry._element import compose
from paramspace.symmetry._element import Element
from paramspace.symmetry._element import identity
from paramspace.symmetry._element import inverse
from paramspace.symmetry._element import random
from paramspace.symmetry._element import shapes
from paramspace.symmetry._from_rules import from_rules
from paramspace.symmetry._json import dumps
from paramspace.symmetry._json import loads
from paramspace.symmetry._spec import fit
from paramspace.symmetry._spec import Group
from paramspace.symmetry._spec import Spec
from paramspace.symmetry._verify import Report
from paramspace.symmetry._verify import verify

__all__ = (
  'Axis',
  'Concat',
  'Element',
  'Factor',
  'Group',
  'Missed',
  'Product',
  'Report',
  'Spec',
  'act',
  'act_on_leaf',
  'blocks',
  'check',
  'complete',
  'compose',
  'derive',
  'describe',
  'dumps',
  'factors',
  'fit',
  'from_rules',
  'identity',
  'inverse',
  'loads',
  'random',
  'shapes',
  'verify',
)
