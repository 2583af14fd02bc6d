"""Numbers of the intrinsic dimension paper.

From the runs that the authors stored beside their code; a curve's points are
means over runs on the test set.

References:
  Li, Farkhoor, Liu, Yosinski, 2018, https://arxiv.org/abs/1804.08838, Table 1
  and Figures 2 and 3; https://github.com/uber-research/intrinsic-dimension.
"""

LABEL = 'Li et al. 2018'

# Accuracy by dimension, by task as in `points.Point`.
CURVES = {
  'MNIST FC 2x200': {
    10: 0.175,
    50: 0.451,
    100: 0.593,
    200: 0.758,
    300: 0.818,
    400: 0.839,
    500: 0.865,
    600: 0.880,
    700: 0.890,
    750: 0.894,
    800: 0.8996,
    850: 0.903,
    1_000: 0.907,
    1_250: 0.919,
    1_500: 0.925,
  },
  'MNIST LeNet': {
    50: 0.570,
    100: 0.763,
    150: 0.836,
    200: 0.864,
    275: 0.898,
    290: 0.901,
    500: 0.939,
    1_000: 0.963,
    2_000: 0.975,
    5_000: 0.983,
    20_000: 0.987,
    44_426: 0.989,
  },
  'CIFAR-10 LeNet': {
    100: 0.230,
    500: 0.384,
    1_000: 0.463,
    1_500: 0.490,
    2_000: 0.505,
    2_500: 0.517,
    2_900: 0.534,
    4_000: 0.557,
    10_000: 0.598,
    15_000: 0.607,
    62_006: 0.593,
  },
}

# Accuracy of the same networks, trained directly.
DIRECT = {
  'MNIST FC 2x200': 0.9811,
  'MNIST LeNet': 0.991,
  'CIFAR-10 LeNet': 0.584,
}

# Milliseconds of a step on a GPU of 2017, Section S7: by D those of a direct
# step, and by projection, D and d those in a subspace. The larger network is
# 784-536-536-536-10.
DIRECT_MS = {100_000: 2.74, 1_001_794: 2.68}
STEP_MS = {
  'dense': {
    (100_000, 100): 4.2,
    (100_000, 1_000): 5.6,
    (100_000, 10_000): 31.5,
    (1_001_794, 100): 11.4,
    (1_001_794, 200): 12.8,
    (1_001_794, 500): 17.9,
  },
  'sparse': {
    (100_000, 100): 4.4,
    (1_001_794, 100): 4.4,
    (1_001_794, 1_000): 4.4,
    (1_001_794, 10_000): 7.0,
  },
  'fastfood': {
    (100_000, 100): 20.0,
    (1_001_794, 100): 22.3,
    (1_001_794, 1_000): 22.3,
    (1_001_794, 10_000): 22.3,
  },
}

# D and d_int90 (accuracy above 0.9) of 20 fully connected networks on MNIST,
# depth 1 to 5, width 50, 100, 200 and 400, trained with Adam.
NETWORKS = {
  39_760: 800,
  42_310: 700,
  44_860: 750,
  47_410: 800,
  49_960: 675,
  79_510: 675,
  89_610: 750,
  99_710: 775,
  109_810: 750,
  119_910: 775,
  159_010: 775,
  199_210: 725,
  239_410: 750,
  279_610: 800,
  318_010: 800,
  319_810: 850,
  478_410: 800,
  638_810: 800,
  799_210: 900,
  959_610: 850,
}
