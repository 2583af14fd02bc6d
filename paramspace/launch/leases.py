"""Claims with heartbeats: a point is run by one process at a time.

The claim of generation n on a folder is its file `lease.n`, made with O_EXCL.
The highest generation owns the folder. Taking over is making generation n + 1,
which only one process can, once the owner of generation n has let go or died.
Numbers are not used again while there is work left, so that a slow process
cannot mistake a new claim for the dead one it saw.

O_EXCL and modification times are kept by local disks and NFS. Object stores
have neither: there, start one launcher only.
"""

import contextlib
import functools
import json
import os
import pathlib
import platform
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

from paramspace.launch import errors

# Seconds between two heartbeats, and how many may be missed.
BEAT = float(os.environ.get('PARAMSPACE_LEASE_SECONDS', 10))
MISSED = 3

_NAME = re.compile(r'lease\.([1-9][0-9]*)')
_UNKNOWN = '{"host": "?", "pid": 0, "place": "", "born": "", "nonce": ""}'


class Holder(NamedTuple):
  """Who has claimed a folder.

  Attributes:
    host: The machine's name.
    pid: The process there.
    place: The machine's boot and the process's namespace: within one place a
      process id means one process at a time.
    born: When the process started, in clock ticks since the boot, so that a
      process id that is used again is not taken for the owner.
    nonce: Different for every claim.
    generation: The number in the file's name.
    age: Seconds since the last heartbeat, by this machine's clock.
  """

  host: str
  pid: int
  place: str
  born: str
  nonce: str
  generation: int
  age: float


class Held:
  """Claims that this process holds.

  Attributes:
    folders: The folders that could be claimed.
  """

  def __init__(self, paths: Iterable[pathlib.Path]):
    self._paths = tuple(paths)
    self.folders = tuple(p.parent for p in self._paths)
    self._lost = False

  @property
  def lost(self) -> bool:
    """Whether another process has taken a folder over; stop, write nothing."""
    return self._lost

  def beat(self) -> None:
    """Shows that this process is alive, and looks for a new owner."""
    for path in self._paths:
      try:
        os.utime(path)
      except OSError:
        self._lost = True
        continue
      self._lost |= _newest(path.parent) != path

  def guard(self, stop: Callable[[int], bool]) -> Callable[[int], bool]:
    """Returns `stop`, which raises `errors.Preempted` once a claim is lost."""

    def guarded(step: int) -> bool:
      if self._lost:
        raise errors.Preempted('Another process has taken this point over.')
      return stop(step)

    return guarded

  def let_go(self, finished: bool) -> None:
    """Ends the claims.

    Args:
      finished: Whether no work is left in the folders. If some is, the file
        stays, marked, so that its number is not used again.
    """
    for path in self._paths:
      if _newest(path.parent) != path:
        continue
      if finished:
        path.unlink(missing_ok=True)
      else:
        with contextlib.suppress(OSError):
          path.write_text('{}')


def read(folder: pathlib.Path) -> Holder | None:
  """Returns who holds a folder, alive or dead; None if no one does."""
  found = files(folder)
  return _holder(found[-1]) if found else None


def stale(holder: Holder, age: float | None = None) -> bool:
  """Whether the process of a claim is gone.

  Args:
    holder: From `read`.
    age: Seconds since its last heartbeat; None is `holder.age`.

  Returns:
    On the machine of the process: whether it runs no more. On others: whether
    it has missed `MISSED` heartbeats.
  """
  if holder.place == _place():
    return _born(holder.pid) != holder.born
  return (holder.age if age is None else age) > MISSED * BEAT


def live(folder: pathlib.Path) -> Holder | None:
  """Returns the holder of a folder whose process has not gone."""
  holder = read(folder)
  return None if holder is None or stale(holder) else holder


@contextlib.contextmanager
def hold(folders: Iterable[pathlib.Path]) -> Iterator[Held]:
  """Claims what can be claimed of some folders, and keeps it while open.

  What was done before the claim has to be looked at again once it is held.

  Args:
    folders: Made if they are not there.

  Yields:
    The claims, `held.folders`. A thread shows the heartbeat. Left by an
    exception, they are marked so that work goes on after them.
  """
  made = [path for path in map(_claim, folders) if path is not None]
  held, over = Held(made), threading.Event()

  def beat() -> None:
    while not over.wait(BEAT):
      held.beat()

  thread = threading.Thread(target=beat, name='heartbeat', daemon=True)
  if made:
    thread.start()
  finished = False
  try:
    yield held
    finished = True
  finally:
    over.set()
    if made:
      thread.join()
    held.let_go(finished)


def files(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the lease files of a folder, the oldest generation first."""
  try:
    found = [p for p in folder.iterdir() if _NAME.fullmatch(p.name)]
  except OSError:
    return []
  return sorted(found, key=_number)


def _claim(folder: pathlib.Path) -> pathlib.Path | None:
  """Returns the lease file that this process made; None if another holds."""
  folder.mkdir(parents=True, exist_ok=True)
  before = files(folder)
  if before:
    holder = _holder(before[-1])
    if holder and not stale(holder, _age(folder, before[-1])):
      return None
  path = folder / f'lease.{_number(before[-1]) + 1 if before else 1}'
  try:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
  except FileExistsError:
    return None
  with os.fdopen(handle, 'w', encoding='utf-8') as file:
    json.dump(_about_me(), file)
    file.flush()
    os.fsync(file.fileno())
  for old in before:
    old.unlink(missing_ok=True)
  return path


def _age(folder: pathlib.Path, path: pathlib.Path) -> float:
  """Seconds since the heartbeat by the clock of the file system itself."""
  with tempfile.TemporaryFile(dir=folder) as file:
    now = os.fstat(file.fileno()).st_mtime
  try:
    return now - path.stat().st_mtime
  except FileNotFoundError:
    return 0.0  # Another process is taking it over.


def _holder(path: pathlib.Path) -> Holder | None:
  """Who made a lease file; None if it is marked as let go, or not there.

  A file that is still empty was made a moment ago, or by a process that died at
  that moment: its holder is unknown, and goes stale by age.
  """
  try:
    content = json.loads(path.read_text(encoding='utf-8') or _UNKNOWN)
    beat = path.stat().st_mtime
  except FileNotFoundError:
    return None
  except ValueError:
    content, beat = json.loads(_UNKNOWN), path.stat().st_mtime
  if not content:
    return None
  age = max(0.0, time.time() - beat)
  return Holder(**content, generation=_number(path), age=age)


def _newest(folder: pathlib.Path) -> pathlib.Path | None:
  found = files(folder)
  return found[-1] if found else None


def _number(path: pathlib.Path) -> int:
  return int(path.name.partition('.')[2])


def _about_me() -> dict[str, Any]:
  return {
    'host': platform.node(),
    'pid': os.getpid(),
    'place': _place(),
    'born': _born(os.getpid()),
    'nonce': secrets.token_hex(8),
  }


@functools.cache
def _place() -> str:
  """Names what a process id belongs to; unknown outside Linux."""
  try:
    boot = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    return f'{boot}/{os.readlink("/proc/self/ns/pid")}'
  except OSError:
    return secrets.token_hex(8)


def _born(pid: int) -> str:
  """When a process of this place started; '' if there is none, or it is dead.

  The fields of /proc/PID/stat follow the command's name, which may itself hold
  spaces and brackets.
  """
  try:
    text = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except OSError:
    return ''
  fields = text.rpartition(')')[2].split()
  return '' if fields[0] in 'ZX' else fields[19]
