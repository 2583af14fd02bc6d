"""Leaves read ahead of the one that is computed, and written behind it."""

import collections
import threading
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
from typing import Any
from typing import TypeVar

Item = TypeVar('Item')
Spread = Callable[..., Iterable[Any]]  # As `map`, perhaps several at a time.
READERS = 2


def read(
  items: Iterable[Item],
  load: Callable[[Item, Spread], Any],
  size: Callable[[Item], int],
  room: int,
) -> Iterator[tuple[Item, Any]]:
  """Yields items with what was loaded for them, in their order.

  Threads load the next ones, while no more than `room` bytes are loaded; the
  next one alone may be larger than that. Then the threads share its parts: a
  `load` does what it can at once by the `map` that it is given.
  """
  waiting = collections.deque(items)
  loading = collections.deque()
  with (
    futures.ThreadPoolExecutor(READERS) as parts,
    futures.ThreadPoolExecutor(READERS) as pool,
  ):
    try:
      held = 0
      while waiting or loading:
        while waiting and (not loading or held + size(waiting[0]) <= room):
          item = waiting.popleft()
          held += size(item)
          loading.append((item, pool.submit(load, item, parts.map)))
        item, loaded = loading.popleft()
        found = loaded.result()
        del loaded
        yield item, found
        del found  # Or it would be there beside the next one.
        held -= size(item)
    finally:
      for _, loaded in loading:
        loaded.cancel()


class Writer:
  """A thread that does what it is given, in order, at most so many behind.

  As a context it waits for all at the end, and raises what one has raised.
  """

  def __init__(self, behind: int = 1):
    self._pool = futures.ThreadPoolExecutor(1)
    self._places = threading.Semaphore(behind)
    self._failed: list[BaseException] = []

  def __enter__(self) -> 'Writer':
    return self

  def put(self, do: Callable[..., None], *args: Any) -> None:
    """Does it later; raises what an earlier one has raised."""
    self._places.acquire()
    if self._failed:
      raise self._failed[0]
    self._pool.submit(self._run, do, args)

  def _run(self, do: Callable[..., None], args: tuple) -> None:
    try:
      if not self._failed:
        do(*args)
    except BaseException as e:
      self._failed.append(e)
    finally:
      self._places.release()

  def __exit__(self, kind, value, traceback) -> None:
    self._pool.shutdown()
    if self._failed and value is None:
      raise self._failed[0]
