"""Data sets as arrays, read with numpy and the standard library."""

from experiments.data.sets import blank
from experiments.data.sets import Dataset
from experiments.data.sets import load
from experiments.data.sets import NAMES

__all__ = ('Dataset', 'NAMES', 'blank', 'load')
