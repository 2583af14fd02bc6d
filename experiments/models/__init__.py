"""The bundled models, as Flax Linen modules, by name."""

from experiments.models._convolution import Conv
from experiments.models._convolution import max_pool
from experiments.models._fc import FC
from experiments.models._fc import fc
from experiments.models._lenet import LeNet
from experiments.models._lenet import lenet
from experiments.models._make import make

__all__ = ('FC', 'Conv', 'LeNet', 'fc', 'lenet', 'make', 'max_pool')
