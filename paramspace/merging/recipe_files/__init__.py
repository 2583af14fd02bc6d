"""Recipe files, of ours and of mergekit's, read into a plan."""

from paramspace.merging.recipe_files._plan import Plan
from paramspace.merging.recipe_files._preflight import Mismatch
from paramspace.merging.recipe_files._preflight import preflight
from paramspace.merging.recipe_files._read import read

__all__ = ('Mismatch', 'Plan', 'preflight', 'read')
