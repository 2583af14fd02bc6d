"""What averaging costs, and how exact it is, beside what one writes by hand.

A point is one part: a module here with `run(config) -> rows`, flat dicts.
"""

import importlib
import os
from typing import Any

import jax
import ml_collections

from paramspace import resolve
from paramspace.launch import errors

PARTS = ('update', 'step', 'combine', 'settling')


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Measures one part.

  Args:
    config: See `configs/benchmarks/averaging.py`.
    run: A `launch.run.Run`.

  Returns:
    The part's rows, and the machine.
  """
  del run
  if config.part not in PARTS:
    raise errors.UsageError(resolve.unknown('part', config.part, PARTS))
  part = importlib.import_module(f'{__name__}.{config.part}')
  return {
    'rows': part.run(config),
    'device': jax.devices()[0].device_kind,
    'cores': os.cpu_count(),
  }
