"""Reparameterizations theta = f(theta_0, z)."""

from paramspace.reparam._combine import add
from paramspace.reparam._combine import chain
from paramspace.reparam._combine import select
from paramspace.reparam._dense import dense
from paramspace.reparam._fastfood import fastfood
from paramspace.reparam._full import full
from paramspace.reparam._hadamard import hadamard
from paramspace.reparam._hashed import hashed
from paramspace.reparam._moves import count
from paramspace.reparam._moves import merge
from paramspace.reparam._moves import rebase
from paramspace.reparam._saving import fingerprint
from paramspace.reparam._saving import load
from paramspace.reparam._saving import save
from paramspace.reparam._sparse import sparse

__all__ = (
  'add',
  'chain',
  'count',
  'dense',
  'fastfood',
  'fingerprint',
  'full',
  'hadamard',
  'hashed',
  'load',
  'merge',
  'rebase',
  'save',
  'select',
  'sparse',
)
