"""A weighted sum of files, over a plain read of their bytes."""

import concurrent.futures
import multiprocessing
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np

from experiments.benchmarks import clock
from paramspace import averaging
from paramspace.files import safetensors

LEAVES = 10
MB = 2**20


def run(config: ml_collections.ConfigDict) -> list[dict[str, Any]]:
  """Times `combine`, and measures its memory, in a fresh process.

  Args:
    config: `files`, `megabytes` of each, and `rounds`.

  Returns:
    One row: the rates in GB/s at which the files are read, and combined; the
    median, lowest and highest ratio of the times; the peak of the memory that
    `combine` adds to the process, over the size of a tree.
  """
  spawn = multiprocessing.get_context('spawn')
  with (
    tempfile.TemporaryDirectory(prefix='combine-') as folder,
    concurrent.futures.ProcessPoolExecutor(1, spawn) as fresh,
  ):
    paths = _write(pathlib.Path(folder), config)
    found = fresh.submit(_measure, paths, config.rounds).result()
  count = config.files * config.megabytes * MB
  seconds, ratios = found['seconds'], found['seconds']['combine']
  ratios = ratios / seconds['read']
  return [
    {
      'method': 'combine',
      'files': config.files,
      'megabytes': config.megabytes,
      'ratio': float(np.median(ratios)),
      'ratio_low': float(ratios.min()),
      'ratio_high': float(ratios.max()),
      **{f'{n}_gb_s': float(count / 1e9 / s.min()) for n, s in seconds.items()},
      'peak_trees': found['peak'] / (config.megabytes * MB),
    }
  ]


def _write(
  folder: pathlib.Path, config: ml_collections.ConfigDict
) -> list[pathlib.Path]:
  """Writes the files; leaf by leaf, file i holds the number i."""
  paths = [folder / f'{i}.safetensors' for i in range(config.files)]
  shape = (config.megabytes * MB // 4 // LEAVES // 1024, 1024)
  for i, path in enumerate(paths):
    leaf = np.full(shape, i, np.float32)
    safetensors.save(path, {f'w{j}': leaf for j in range(LEAVES)})
  return paths


def _measure(paths: Sequence[pathlib.Path], rounds: int) -> dict[str, Any]:
  """Returns the seconds of each round, and the bytes that `combine` adds."""
  weights = np.full(len(paths), 1 / len(paths))
  loaders = [lambda path=path: safetensors.load(path) for path in paths]
  combine = lambda: averaging.combine(weights, loaders)
  one = {'w': np.ones((8, 8), np.float32)}
  averaging.combine(weights, [one] * len(paths))  # What JAX itself takes.
  before = _peak()
  combine()
  peak = _peak() - before
  buffer = bytearray(paths[0].stat().st_size)

  def read():
    for path in paths:
      with path.open('rb', buffering=0) as file:
        file.readinto(buffer)

  programs = {'read': read, 'combine': combine}
  return {'seconds': clock.interleaved(programs, rounds), 'peak': peak}


def _peak() -> int:
  """Returns the most bytes that this process has had in memory; on Linux.

  Not `ru_maxrss`, which begins with the peak of the parent.
  """
  for line in pathlib.Path('/proc/self/status').read_text().splitlines():
    if line.startswith('VmHWM:'):
      return int(line.split()[1]) * 1024
  raise OSError('/proc/self/status has no VmHWM.')
