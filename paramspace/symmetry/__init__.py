"""Permutations of parameters under which a model's function stays the same."""

from paramspace.symmetry._act import act
from paramspace.symmetry._act import act_on_leaf
from paramspace.symmetry._axis import Axis
from paramspace.symmetry._axis import blocks
from paramspace.symmetry._axis import Concat
from paramspace.symmetry._axis import Factor
from paramspace.symmetry._axis import factors
from paramspace.symmetry._axis import Product
from paramspace.symmetry._element import check
from paramspace.symmetry._element import compose
from paramspace.symmetry._element import Element
from paramspace.symmetry._element import identity
from paramspace.symmetry._element import inverse
from paramspace.symmetry._element import random
from paramspace.symmetry._element import shapes
from paramspace.symmetry._spec import fit
from paramspace.symmetry._spec import Group
from paramspace.symmetry._spec import Spec

__all__ = (
  'Axis',
  'Concat',
  'Element',
  'Factor',
  'Group',
  'Product',
  'Spec',
  'act',
  'act_on_leaf',
  'blocks',
  'check',
  'compose',
  'factors',
  'fit',
  'identity',
  'inverse',
  'random',
  'shapes',
)
