"""What the time of a search goes to."""

import collections
import contextlib
import time
from collections.abc import Iterator


class Clock:
  """Sums seconds by name."""

  def __init__(self):
    self.seconds = collections.Counter()

  @contextlib.contextmanager
  def __call__(self, what: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
      yield
    finally:
      self.seconds[what] += time.perf_counter() - began
