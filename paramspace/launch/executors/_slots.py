"""What each of several processes on this machine gets to itself."""

import os
import pathlib
import re
from collections.abc import Mapping

from paramspace.launch.executors import _engine

_GPUS = re.compile(r'nvidia[0-9]+')
_TPUS = re.compile(r'accel[0-9]+')
_VFIO = re.compile(r'[0-9]+')


def divide(count: int | None) -> list[Mapping[str, str]]:
  """Divides cores and devices among processes, by environment variables.

  All processes get equally many cores, so that a point has the same bits in
  each: XLA cuts sums by the number of threads.

  Args:
    count: How many processes; None is one for each accelerator, or for each
      core where there is none.

  Returns:
    The variables for each process. Several of them share an accelerator where
    there are fewer.
  """
  cores, devices = _cores(), _devices()
  count = count or len(devices) or len(cores)
  each = max(1, len(cores) // count)
  slots = []
  for i in range(count):
    mine = [cores[(i * each + j) % len(cores)] for j in range(each)]
    slot = {_engine.CORES: ','.join(map(str, mine))}
    if devices:
      slot |= devices[i % len(devices)]
    if count > len(devices) > 0:
      slot['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'
    slots.append(slot)
  return slots


def _cores() -> list[int]:
  if hasattr(os, 'sched_getaffinity'):
    return sorted(os.sched_getaffinity(0))
  return list(range(os.cpu_count() or 1))


def _devices() -> list[Mapping[str, str]]:
  """The variables that show one accelerator, for each; found without JAX."""
  if os.environ.get('JAX_PLATFORMS', '') == 'cpu':
    return []
  visible = os.environ.get('CUDA_VISIBLE_DEVICES')
  if visible is not None:
    gpus = [name for name in visible.split(',') if name]
  else:
    gpus = [n.removeprefix('nvidia') for n in _nodes('/dev', _GPUS)]
  if gpus:
    return [{'CUDA_VISIBLE_DEVICES': gpu} for gpu in gpus]
  chips = _nodes('/dev', _TPUS) or _nodes('/dev/vfio', _VFIO)
  alone = {
    'TPU_CHIPS_PER_PROCESS_BOUNDS': '1,1,1',
    'TPU_PROCESS_BOUNDS': '1,1,1',
  }
  return [alone | {'TPU_VISIBLE_CHIPS': str(i)} for i in range(len(chips))]


def _nodes(folder: str, pattern: re.Pattern[str]) -> list[str]:
  try:
    names = [p.name for p in pathlib.Path(folder).iterdir()]
  except OSError:
    return []
  return sorted(n for n in names if pattern.fullmatch(n))
