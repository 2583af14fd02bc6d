"""A whole sweep in one program, over its points one after another."""

import tempfile
import time
from typing import Any

import jax
import ml_collections

from paramspace.launch import executors
from paramspace.launch import sweep as sweeps


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Runs the sweep of another config twice, in fresh directories.

  Args:
    config: See `configs/benchmarks/one_program.py`.
    run: A `launch.run.Run`.

  Returns:
    The seconds of both, compilation included, and their ratio.
  """
  del run
  seconds = {}
  for executor in ('vmapped', 'inline'):
    jax.clear_caches()
    with tempfile.TemporaryDirectory() as folder:
      sweep = sweeps.prepare(
        config.path,
        config.target_scale,
        workdir=folder,
        options=executors.Options(executor),
      )
      began = time.perf_counter()
      results = sweeps.run(sweep)
      seconds[executor] = time.perf_counter() - began
  return {
    'points': len(results),
    'one_program_s': seconds['vmapped'],
    'one_by_one_s': seconds['inline'],
    'ratio': seconds['inline'] / seconds['vmapped'],
    'device': jax.devices()[0].device_kind,
  }
