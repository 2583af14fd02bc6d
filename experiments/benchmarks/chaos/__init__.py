"""Runs that are killed, damaged and starved, and still end in the same bits.

A point is one part of the storm: a module here with `run(config, folder)`,
which works in an empty folder and returns checks.
"""

import importlib
import pathlib
import tempfile
from typing import Any

import ml_collections

from paramspace import resolve
from paramspace.launch import errors

PARTS = ('kills', 'damage', 'full_disk', 'launchers', 'overhead')


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Runs one part.

  Args:
    config: See `configs/benchmarks/chaos.py`.
    run: A `launch.run.Run`.

  Returns:
    The checks: each has what was found, and where something is asked for, what
    is allowed and whether it holds.
  """
  del run
  if config.part not in PARTS:
    raise errors.UsageError(resolve.unknown('part', config.part, PARTS))
  part = importlib.import_module(f'{__name__}.{config.part}')
  with tempfile.TemporaryDirectory(prefix='chaos-') as folder:
    return {'checks': part.run(config, pathlib.Path(folder))}
