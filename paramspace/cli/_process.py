"""What a process of one command asks of Python and of the C library."""

import contextlib
import ctypes
import gc
from collections.abc import Iterator

# Of glibc's <malloc.h>, and what they are set to.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_NEVER = (1 << 31) - 1
_KEPT = 96 << 20  # Bytes of a block. Larger ones, of few leaves, leave holes.


@contextlib.contextmanager
def importing() -> Iterator[None]:
  """Looks for no garbage: modules are none, and JAX has very many objects."""
  gc.disable()
  try:
    yield
  finally:
    gc.enable()


def keep_memory() -> None:
  """Lets glibc keep what is freed for what is allocated next.

  It gives blocks of megabytes back to the system at once, which has to find and
  clear all pages of the next one: that takes longer than to compute them. So
  what was used at most stays in use. Threads share one heap, or each would keep
  its own. Other C libraries are left as they are.
  """
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt is not None:
    mallopt(_M_TRIM_THRESHOLD, _NEVER)
    mallopt(_M_MMAP_THRESHOLD, _KEPT)
    mallopt(_M_ARENA_MAX, 1)


def leave() -> None:
  """Ends without a last look for garbage, which would take .4 s after JAX."""
  gc.freeze()
