"""Safetensors files written leaf by leaf, which a kill cannot harm.

The headers are written first, from shapes; each leaf goes to its final place
when it comes; a journal says which are there, with their digests. All of it is
in a folder of its own, `.unfinished`, until it is whole. Only then do the files
get their names, the index last, so that no reader takes a part for the whole.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import BinaryIO
from typing import NamedTuple

import numpy as np

from paramspace.files import bits
from paramspace.files import header

UNFINISHED = '.unfinished'
_JOURNAL = 'journal'
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK = 1 << 24  # Bytes that are written or digested at once.


class File(NamedTuple):
  """A file that is to be written.

  Attributes:
    leaves: Dtype and shape of each leaf by its name in the file, in order.
    metadata: What to say of the file.
  """

  leaves: Mapping[str, tuple[np.dtype, tuple[int, ...]]]
  metadata: Mapping[str, str]


def check(out: pathlib.Path, plan: str, resume: bool, overwrite: bool) -> None:
  """Looks whether files may be written into a directory; changes nothing.

  Args:
    out: The directory, which need not be there.
    plan: A digest of all that the values depend on.
    resume: Whether to continue what was begun by the same plan.
    overwrite: Whether to replace what is there.

  Raises:
    FileExistsError: If something is there that may not be replaced.
  """
  if overwrite or not out.exists():
    return
  if not out.is_dir():
    raise FileExistsError(f'{out} is a file; name a directory.')
  rows = _rows(out / UNFINISHED / _JOURNAL)
  if rows and resume:
    if rows[0].get('plan') == plan:
      return
    raise FileExistsError(
      f'{out} holds an unfinished merge of other inputs or another recipe; '
      'finish that one, or overwrite it.'
    )
  others = sorted(p.name for p in out.iterdir() if p.name != UNFINISHED)
  if others:
    raise FileExistsError(
      f'{out} is not empty, it holds {others[:3]}; name another directory, or '
      'overwrite it.'
    )


@contextlib.contextmanager
def room(out: pathlib.Path) -> Iterator[None]:
  """Says in one line that there is no room, where something is written.

  Raises:
    OSError: If there is none.
  """
  try:
    yield
  except OSError as e:
    if e.errno not in FULL:
      raise
    message = f'no room for {out}; make room, and start again to continue'
    raise OSError(e.errno, message) from None


class Output:
  """Files that are being written.

  Attributes:
    done: What was said of the leaves that are there, by name in the file.
    whole: Whether all is there, and only `publish` is left to do.
    known: What was kept; None if nothing was.
  """

  def __init__(
    self,
    out: pathlib.Path,
    files: Mapping[str, File],
    plan: str,
    resume: bool = True,
  ):
    """Continues what was begun by the same plan, or begins; see `check`.

    Raises:
      OSError: If there is no room, or another process is writing there.
    """
    self._out, self._work = out, out / UNFINISHED
    self.new = not out.exists()
    rows = _rows(self._work / _JOURNAL) if resume else []
    if not rows or rows[0].get('plan') != plan:
      shutil.rmtree(self._work, ignore_errors=True)
      rows = []
    self._work.mkdir(parents=True, exist_ok=True)
    self._journal = _locked(self._work / _JOURNAL)
    self.whole = bool(rows) and 'whole' in rows[-1]
    self._open: list[BinaryIO] = []
    self._places: dict[str, tuple[BinaryIO, header.Entry]] = {}
    self.done: dict[str, Any] = {}
    found = [row['known'] for row in rows if 'known' in row]
    self.known: dict[str, Any] | None = found[-1] if found else None
    if self.whole:
      return
    for name, file in files.items():
      self._begin(name, file)
    there = [row for row in rows[1:] if self._is_there(row)]
    self.done = {row['leaf']: row for row in there}
    os.ftruncate(self._journal, 0)
    known = [{'known': self.known}] if found else []
    for row in ({'plan': plan}, *known, *there):
      self._note(row)

  def keep(self, known: dict[str, Any]) -> None:
    """Keeps what was found before leaves could be written; JSON."""
    self._note({'known': known})
    self.known = known

  def write(self, name: str, values: np.ndarray, **about: Any) -> None:
    """Writes a leaf where it belongs.

    Args:
      name: Its name in the file.
      values: Of the dtype and shape that were planned.
      **about: What to keep in `done` beside the digest; JSON.

    Raises:
      OSError: If there is no room.
    """
    file, entry = self._places[name]
    assert (values.dtype, values.shape) == entry[:2], name
    content, digest = bits.to_bytes(values), hashlib.sha256()
    for at in range(0, len(content), _CHUNK):
      part = memoryview(content[at : at + _CHUNK])
      _write(file.fileno(), part, entry.start + at)
      digest.update(part)
    row = {'leaf': name, 'sha256': digest.hexdigest(), **about}
    self._note(row)
    self.done[name] = row

  def finish(
    self,
    beside: Mapping[str, bytes | pathlib.Path],
    stale: Sequence[str] = (),
  ) -> None:
    """Gives the files their names, once all leaves are written.

    Args:
      beside: Other files, by name: what they hold, or the file to copy. They
        get their names after the leaves, in this order.
      stale: Files of the directory that are taken away.

    Raises:
      OSError: If there is no room.
    """
    missing = self._places.keys() - self.done.keys()
    assert not missing, missing
    for file in self._open:
      os.fsync(file.fileno())
    names = [pathlib.Path(file.name).name for file in self._open]
    for name, content in beside.items():
      path = self._work / name
      path.parent.mkdir(parents=True, exist_ok=True)
      if isinstance(content, bytes):
        path.write_bytes(content)
      else:
        shutil.copyfile(content, path)
    self._note({'whole': [*names, *beside], 'stale': list(stale)})
    self.publish()

  def publish(self) -> None:
    """Gives the files their names; what was killed in it is done again."""
    row = _rows(self._work / _JOURNAL)[-1]
    for name in row['stale']:
      # Not one that is new already, if this was killed before.
      if name not in row['whole'] or (self._work / name).exists():
        (self._out / name).unlink(missing_ok=True)
    for name in row['whole']:
      if (self._work / name).exists():
        (self._out / name).parent.mkdir(parents=True, exist_ok=True)
        (self._work / name).replace(self._out / name)
    shutil.rmtree(self._work)

  def close(self) -> None:
    """Closes the files, written or not."""
    for file in self._open:
      file.close()
    os.close(self._journal)

  def discard(self) -> None:
    """Takes away what was written."""
    shutil.rmtree(self._work, ignore_errors=True)
    if self.new and not any(self._out.iterdir()):
      self._out.rmdir()

  def _begin(self, name: str, file: File) -> None:
    path = self._work / name
    first, planned = header.plan(file.leaves, file.metadata)
    opened = open(path, 'r+b' if path.exists() else 'w+b', buffering=0)
    self._open.append(opened)
    _write(opened.fileno(), memoryview(first), 0)
    for leaf, entry in planned.entries.items():
      self._places[leaf] = opened, entry

  def _is_there(self, row: dict[str, Any]) -> bool:
    """Whether a leaf of the journal is what the journal says."""
    if row.get('leaf') not in self._places:
      return False
    file, entry = self._places[row['leaf']]
    digest = hashlib.sha256()
    for at in range(entry.start, entry.stop, _CHUNK):
      size = min(_CHUNK, entry.stop - at)
      digest.update(os.pread(file.fileno(), size, at))
    return digest.hexdigest() == row.get('sha256')

  def _note(self, row: dict[str, Any]) -> None:
    os.write(self._journal, json.dumps(row).encode() + b'\n')


def _rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the rows of a journal, up to one that a kill has torn."""
  rows = []
  if not path.exists():
    return rows
  for line in path.read_bytes().split(b'\n')[:-1]:
    try:
      rows.append(dict(json.loads(line)))
    except ValueError:
      break
  return rows


def _locked(path: pathlib.Path) -> int:
  """Opens the journal, which only one process may have."""
  journal = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
  try:
    fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    os.close(journal)
    raise BlockingIOError(
      f'{path.parent.parent} is being written by another process.'
    ) from None
  return journal


def _write(file: int, content: memoryview, at: int) -> None:
  """Writes all of it: the system may take less than it is given."""
  while content:
    count = os.pwrite(file, content, at)
    content, at = content[count:], at + count
