"""The bundled models, as Flax Linen modules, by name."""

from experiments.models._cnn import CNN
from experiments.models._cnn import cnn
from experiments.models._convolution import Conv
from experiments.models._convolution import max_pool
from experiments.models._fc import FC
from experiments.models._fc import fc
from experiments.models._gpt import GPT
from experiments.models._gpt import gpt
from experiments.models._lenet import LeNet
from experiments.models._lenet import lenet
from experiments.models._make import make
from experiments.models._make import make_language
from experiments.models._make import make_normalized
from experiments.models._resnet import ResNet
from experiments.models._resnet import resnet
from experiments.models._resnet import resnet_layer_norm
from experiments.models._vit import RNG as EXPERTS_RNG
from experiments.models._vit import ViT
from experiments.models._vit import vit

__all__ = (
  'CNN',
  'EXPERTS_RNG',
  'FC',
  'GPT',
  'Conv',
  'LeNet',
  'ResNet',
  'ViT',
  'cnn',
  'fc',
  'gpt',
  'lenet',
  'make',
  'make_language',
  'make_normalized',
  'max_pool',
  'resnet',
  'resnet_layer_norm',
  'vit',
)
