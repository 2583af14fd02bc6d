"""What a run was made with: versions, devices, revision, command."""

import datetime
import functools
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys
import types
from typing import Any

_PACKAGES = (
  'paramspace',
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'numpy',
  'ml_dtypes',
  'ml_collections',
  'orbax-checkpoint',
  'tensorstore',
)
_ENGINES = ('ray', 'submitit')  # Recorded where they are in use.
_VARIABLES = ('JAX_', 'XLA_', 'LIBTPU_', 'CUDA_VISIBLE_DEVICES')


def record(study: types.ModuleType) -> dict[str, Any]:
  """Returns the content of `meta.json` for a run that starts now.

  Args:
    study: The study's module; the revision is that of its repository.
  """
  now = datetime.datetime.now(datetime.UTC)
  return {
    'started': now.isoformat(timespec='seconds'),
    'argv': sys.argv,
    'study': study.__name__,
    'git': _revision(pathlib.Path(study.__file__).parent),
    'versions': versions(),
    'devices': _devices(),
    'host': platform.node(),
    'cores': _cores(),
    'environment': {
      name: value
      for name, value in sorted(os.environ.items())
      if name.startswith(_VARIABLES)
    },
  }


def where() -> dict[str, Any]:
  """Returns what the last bits of a result depend on, besides the config."""
  about = _devices()
  return {
    'host': platform.node(),
    'devices': f'{about["count"]} {" and ".join(about["kinds"])}',
    'cores': _cores(),
    'jax': versions()['jax'],
  }


@functools.cache
def versions() -> dict[str, str]:
  """Returns the versions of Python and of the packages that are installed."""
  found = {'python': platform.python_version()}
  for package in (*_PACKAGES, *(e for e in _ENGINES if e in sys.modules)):
    try:
      found[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      continue
  return found


@functools.cache
def _devices() -> dict[str, Any]:
  import jax

  devices = jax.devices()
  kinds = sorted({d.device_kind for d in devices})
  return {
    'platform': devices[0].platform,
    'count': len(devices),
    'kinds': kinds,
    'processes': jax.process_count(),
  }


def _cores() -> int:
  """How many cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


@functools.cache
def _revision(folder: pathlib.Path) -> str | None:
  """The commit, with '+changes' if files differ; None outside a repository."""

  def git(*arguments: str) -> str:
    return subprocess.run(
      ['git', '-C', str(folder), *arguments],
      capture_output=True,
      check=True,
      text=True,
    ).stdout.strip()

  try:
    commit = git('rev-parse', 'HEAD')
    return commit + ('+changes' if git('status', '--porcelain') else '')
  except (OSError, subprocess.CalledProcessError):
    return None
