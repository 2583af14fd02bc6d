"""What the leaves of a tree are, to the bit: shapes, dtypes and digests.

A manifest says nothing of devices or processes: the digest of a leaf that is
split is that of the whole.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

from paramspace import base
from paramspace.files import bits

VERSION = 1


class Damaged(ValueError):
  """What was read is not what was written."""


class Mismatch(ValueError):
  """The leaves that are wanted are others than those that were written."""


class Leaf(NamedTuple):
  """One leaf.

  Attributes:
    shape: Its shape; of PRNG keys, that of the keys.
    dtype: Its name, for example 'float32' or 'key<threefry2x32>'.
    nbytes: The number of its bytes; of PRNG keys, of their words.
    sha256: The digest of its row-major, little-endian bytes.
  """

  shape: tuple[int, ...]
  dtype: str
  nbytes: int
  sha256: str

  @property
  def data_shape(self) -> tuple[int, ...]:
    """The shape of the leaf as numbers, with the words of PRNG keys."""
    implementation = bits.key_implementation(self.dtype)
    words = [] if implementation is None else [bits.words(implementation)]
    return (*self.shape, *words)

  def __str__(self) -> str:
    return f'{self.dtype}{list(self.shape)}'


Leaves = dict[str, Leaf]


def describe(tree: base.Params) -> Leaves:
  """Returns what the leaves of a tree are, by name.

  Args:
    tree: Arrays, of typed PRNG keys too, and numbers. If leaves are split over
      several processes, all of those have to call this; see `bits.host`.

  >>> describe({'x': 1.0})['x'].sha256[:8]
  '6c3c396e'
  """
  return {name: describe_leaf(x) for name, x in bits.named(tree).items()}


def describe_leaf(leaf: Any) -> Leaf:
  """Returns what one leaf is; see `describe`."""
  content = bits.to_bytes(bits.host(bits.data(leaf)))
  digest = hashlib.sha256(content).hexdigest()
  return Leaf(tuple(leaf.shape), bits.dtype_name(leaf), content.size, digest)


def digest_of(leaves: Leaves) -> str:
  """Returns `digest` of the tree that these leaves are of."""
  return _seal({'leaves': leaves})


def digest(tree: base.Params) -> str:
  """Returns one sha256 of a whole tree: names, shapes, dtypes and bits.

  >>> digest({'x': 1.0}) == digest({'x': -1.0})
  False
  """
  return digest_of(describe(tree))


def check_like(leaves: Leaves, tree: base.Params) -> None:
  """Checks that a tree has the leaves of a manifest, whatever their values.

  Args:
    leaves: The manifest's.
    tree: Arrays, or their shapes from `jax.eval_shape`.

  Raises:
    Mismatch: If names, dtypes or shapes differ; names the first leaf.
  """
  wanted = {
    name: f'{bits.dtype_name(x)}{list(x.shape)}'
    for name, x in bits.named(tree).items()
  }
  for name in sorted(leaves.keys() | wanted.keys()):
    was, now = str(leaves.get(name, 'absent')), wanted.get(name, 'absent')
    if was != now:
      raise Mismatch(f'leaf {name!r} was {was} and is now {now}')


def check(leaves: Leaves, found: Mapping[str, Any]) -> None:
  """Checks that leaves are those of a manifest, to the bit.

  Args:
    leaves: The manifest's.
    found: Every leaf as numbers, see `bits.data`. As in `describe`, all
      processes have to call this if leaves are split over them.

  Raises:
    Damaged: If a leaf differs; names the first.
  """
  wrong = [n for n in sorted(leaves.keys() ^ found.keys())]
  for name in sorted(leaves.keys() & found.keys()):
    # All of them, in this order: the other processes are doing the same.
    now, was = describe_leaf(found[name]), leaves[name]
    shape, dtype = was.data_shape, str(bits.number_dtype(was.dtype))
    if now != Leaf(shape, dtype, was.nbytes, was.sha256):
      wrong.append(name)
  if wrong:
    raise Damaged(f'leaf {wrong[0]!r} is not what was written')


def dumps(leaves: Leaves, **about: Any) -> str:
  """Returns a manifest as JSON that ends with the sha256 of the rest.

  Args:
    leaves: From `describe`.
    **about: JSON values to keep with it.
  """
  record = {'version': VERSION, **about, 'leaves': leaves}
  rows = {name: leaf._asdict() for name, leaf in leaves.items()}
  return json.dumps(record | {'leaves': rows, 'sha256': _seal(record)})


def loads(text: str | bytes) -> tuple[Leaves, dict[str, Any]]:
  """Returns the leaves, and what else `dumps` was given.

  Raises:
    Damaged: If the text is torn or was changed, or is of another version.
  """
  try:
    record = json.loads(text)
    seal, version = record.pop('sha256'), record['version']
    leaves = {
      name: Leaf(**row | {'shape': tuple(row['shape'])})
      for name, row in record['leaves'].items()
    }
    whole = seal == _seal(record | {'leaves': leaves})
  except (ValueError, KeyError, TypeError, AttributeError) as e:
    raise Damaged(f'the manifest is not whole: {type(e).__name__}') from None
  if not whole:
    raise Damaged('the manifest was changed: its sha256 does not hold')
  if version != VERSION:
    raise Damaged(f'the manifest has version {version}, not {VERSION}')
  del record['version'], record['leaves']
  return leaves, record


def _seal(record: dict[str, Any]) -> str:
  """Returns the sha256 of a record as canonical JSON."""
  text = json.dumps(record, sort_keys=True, separators=(',', ':'))
  return hashlib.sha256(text.encode()).hexdigest()
