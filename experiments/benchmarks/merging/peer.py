"""The peer: mergekit, in memory, on copies of our arrays."""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.merging import methods
from paramspace import base as types

HINT = (
  "mergekit is not installed: install PyTorch, then pip install 'paramspace["
  "benchmark]'"
)


def version() -> str | None:
  """Returns which version there is, if any."""
  if importlib.util.find_spec('mergekit') is None:
    return None
  return f'mergekit {importlib.metadata.version("mergekit")}'


def merge(
  method: methods.Method,
  name: str,
  base: types.Params,
  tuned: Mapping[str, types.Params],
) -> Callable[[], Mapping[str, Any]] | None:
  """Returns what merges by the peer.

  Args:
    method: What to merge by, and the settings.
    name: The peer's name of the method.
    base: A flat tree.
    tuned: Flat trees.

  Returns:
    A function without arguments; None if there is no mergekit.
  """
  if version() is None:
    return None
  import torch
  from mergekit import merge_methods

  copy = lambda x: torch.from_numpy(np.array(x))
  models = {m: jax.tree.map(copy, x) for m, x in tuned.items()}
  if method.based:
    models = {'base': jax.tree.map(copy, base)} | models
  settings = {n: dict.fromkeys(tuned, x) for n, x in method.each.items()}
  return lambda: merge_methods.merge_state_dicts(
    models,
    name,
    parameters=settings | dict(method.shared),
    base='base' if method.based else None,
  )


def arrays(merged: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Returns what the peer merged, as arrays."""
  return {name: x.numpy() for name, x in merged.items()}
