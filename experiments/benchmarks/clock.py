"""Timing compiled programs against each other in one process."""

import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np


def interleaved(
  programs: Mapping[str, Callable[[], Any]], rounds: int
) -> dict[str, np.ndarray]:
  """Times programs in turn, A B C A B C ..., after one round of warm-up.

  Machines drift; a ratio of two times of the same round does not.

  Args:
    programs: Functions without arguments; each returns what to wait for.
    rounds: How often each is timed.

  Returns:
    Seconds by name, `[rounds]`.
  """
  seconds = {name: [] for name in programs}
  for turn in range(rounds + 1):
    for name, program in programs.items():
      began = time.perf_counter()
      jax.block_until_ready(program())
      if turn:
        seconds[name].append(time.perf_counter() - began)
  return {name: np.array(times) for name, times in seconds.items()}
