"""Processes in turn: how long each takes, and how much memory it has had."""

import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from experiments.benchmarks.merge_files import commands

_STEP = 0.005  # Seconds between two looks at the memory.
# Nothing is looked up on the network, and all run on the processor.
_ENVIRONMENT = {'HF_HUB_OFFLINE': '1', 'JAX_PLATFORMS': 'cpu'}


class Measured(NamedTuple):
  """What one command took.

  Attributes:
    seconds: From start to end, `[rounds]`.
    peaks: The most bytes that were resident, files that are mapped counted,
      `[rounds]`.
  """

  seconds: np.ndarray
  peaks: np.ndarray


def interleaved(
  programs: Mapping[str, commands.Command], rounds: int, folder: pathlib.Path
) -> dict[str, Measured]:
  """Measures commands in turn, after one round of warm-up.

  What they write is removed before each, and at the end.

  Args:
    programs: The commands by name.
    rounds: How often each is measured.
    folder: Where they are started.

  Raises:
    subprocess.CalledProcessError: If one fails.
  """
  found = {name: [] for name in programs}
  for turn in range(rounds + 1):
    for name, command in programs.items():
      measured = measure(command, folder)
      remove(command.out)
      if turn:
        found[name].append(measured)
  return {
    name: Measured(*map(np.array, zip(*pairs, strict=True)))
    for name, pairs in found.items()
  }


def measure(
  command: commands.Command, folder: pathlib.Path
) -> tuple[float, int]:
  """Runs one command; returns its seconds and the bytes of its peak.

  Raises:
    subprocess.CalledProcessError: If it fails; with what it printed.
  """
  log = folder / 'log'
  with open(command.out if command.stdout else log, 'wb') as out:
    began = time.perf_counter()
    process = subprocess.Popen(
      command.arguments,
      cwd=folder,
      stdin=subprocess.DEVNULL,
      stdout=out,
      stderr=subprocess.STDOUT if not command.stdout else None,
      env=os.environ | _ENVIRONMENT,
    )
    peak = 0
    while process.poll() is None:
      peak = max(peak, _peak(process.pid))
      time.sleep(_STEP)
    seconds = time.perf_counter() - began
  if process.returncode:
    raise subprocess.CalledProcessError(
      process.returncode, command.arguments, log.read_bytes()[-2000:]
    )
  return seconds, peak


def remove(path: pathlib.Path) -> None:
  """Removes a file or a folder, if it is there."""
  if path.is_dir():
    shutil.rmtree(path)
  path.unlink(missing_ok=True)


def _peak(pid: int) -> int:
  """Returns the most bytes that a process has had so far; on Linux."""
  try:
    text = pathlib.Path(f'/proc/{pid}/status').read_text()
  except (FileNotFoundError, ProcessLookupError):
    return 0
  rows = [line for line in text.splitlines() if line.startswith('VmHWM:')]
  return int(rows[0].split()[1]) * 1024 if rows else 0
