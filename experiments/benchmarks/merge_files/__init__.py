"""What merging files costs, beside mergekit-yaml, and beside `cat`.

Whole processes are measured, from the shell's view: their time and the most
memory that they had. Both tools read the same page.
"""

import os
import pathlib
import tempfile
from typing import Any

import jax
import ml_collections
import numpy as np

from experiments.benchmarks.merge_files import checkpoints
from experiments.benchmarks.merge_files import commands
from experiments.benchmarks.merge_files import differences
from experiments.benchmarks.merge_files import pages
from experiments.benchmarks.merge_files import processes
from paramspace import merging
from paramspace import resolve
from paramspace.launch import errors
from paramspace.merging import recipe_files

BESIDE = 300e6  # Bytes that are allowed beside those of the largest leaf.


def run(config: ml_collections.ConfigDict, run: Any) -> dict[str, Any]:
  """Measures the methods at one size.

  Args:
    config: See `configs/benchmarks/merge_files.py`.
    run: A `launch.run.Run`.

  Returns:
    A row for each method, and the machine.
  """
  del run
  for method in config.methods:
    if method not in pages.PAGES:
      known = list(pages.PAGES)
      raise errors.UsageError(resolve.unknown('method', method, known))
  shape = checkpoints.Shape(**config.shape)
  names = [f'm{i + 1}' for i in range(config.models)]
  with tempfile.TemporaryDirectory(dir=config.folder or None) as folder:
    root = pathlib.Path(folder)
    checkpoints.write(root, shape, names, config.dtype, config.shards)
    rows = [_row(config, root, method) for method in config.methods]
  return {
    'rows': rows,
    'D': checkpoints.size(shape),
    'peer': commands.peer_version() or commands.HINT,
    'device': jax.devices()[0].device_kind,
    'cores': os.cpu_count(),
  }


def _row(
  config: ml_collections.ConfigDict, root: pathlib.Path, method: str
) -> dict[str, Any]:
  """Measures one method, and compares the two results."""
  page = root / f'{method}.yaml'
  page.write_text(pages.page(method, config.models, str(root)))
  programs = commands.programs(page, theirs=pages.PAGES[method].peer)
  found = processes.interleaved(programs, config.rounds, root)
  plan = recipe_files.read(page)
  planned = merging.plan_files(
    plan.base, plan.models, plan.recipe, key=jax.random.key(0)
  )
  largest = max(leaf.size for leaf in plan.base.leaves.values())
  seconds = {name: x.seconds for name, x in found.items()}
  ours = seconds['ours']
  row = {
    'method': method,
    'passes': planned.passes,
    'read_bytes': planned.read,
    'written_bytes': planned.written,
    'bound_bytes': 3 * 4 * largest * len(plan.models) + BESIDE,
    'peak_bytes': int(found['ours'].peaks.max()),
    **{f'{name}_s': float(np.median(x)) for name, x in seconds.items()},
    **_spread('of_floor', ours / (seconds['cat'] + seconds['start'])),
  }
  if 'peer' in found:
    row['peer_peak_bytes'] = int(found['peer'].peaks.max())
    row |= _spread('times', seconds['peer'] / ours)
    row |= _difference(root, method, config.models)
  return row


def _spread(name: str, ratios: np.ndarray) -> dict[str, float]:
  """Returns the median of the rounds, the lowest and the highest."""
  return {
    name: float(np.median(ratios)),
    f'{name}_low': float(ratios.min()),
    f'{name}_high': float(ratios.max()),
  }


def _difference(
  root: pathlib.Path, method: str, models: int
) -> dict[str, float]:
  """Compares the results where both compute in float32."""
  about = pages.PAGES[method]
  if about.draws:
    return {}
  page = root / f'{method}_float32.yaml'
  page.write_text(pages.page(method, models, str(root), 'float32'))
  programs = commands.programs(page, theirs=True)
  pair = [programs['ours'], programs['peer']]
  for command in pair:
    processes.measure(command, root)
  found = differences.compare(
    *[command.out for command in pair],
    root / checkpoints.BASE,
    [root / f'm{i + 1}' for i in range(models)],
    about.each.get('density'),
  )
  for command in pair:
    processes.remove(command.out)
  return found
