"""Strict numerics, eight CPU devices, and what others return, for tests."""

import atexit
import json
import os
import pathlib
import shutil
import tempfile

import jax
import numpy as np
import pytest
from jax._src import compiler

from paramspace import trees
from paramspace.launch import compilation as compiled

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_numpy_dtype_promotion', 'strict')

# Compiled programs are kept for other tests and the processes that they start,
# not for longer.
os.environ['XDG_CACHE_HOME'] = tempfile.mkdtemp(prefix='paramspace-')
atexit.register(shutil.rmtree, os.environ['XDG_CACHE_HOME'], True)
compiled.enable()

# Most tests are small programs, which take longer to compile than to run.
QUICK = 'jax_disable_most_optimizations'
jax.config.update(QUICK, True)
get_compile_options = compiler.get_compile_options


def options(*args, **kwargs):
  """Leaves out what takes as long as all that QUICK leaves out."""
  made = get_compile_options(*args, **kwargs)
  if jax.config.values[QUICK]:
    made.env_option_overrides += [('xla_cpu_use_fusion_emitters', False)]
  return made


compiler.get_compile_options = options

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'golden'


def pytest_runtest_setup(item):
  """Compiles as users do for a test that is marked as `optimized`."""
  quick = item.get_closest_marker('optimized') is None
  if quick != jax.config.values[QUICK]:
    jax.config.update(QUICK, quick)
    jax.clear_caches()


@pytest.fixture(scope='session')
def golden():
  """A tree by case name, '::' and leaf name taken apart; and the weights."""
  path = GOLDEN / 'merging.npz'
  if not path.exists():
    reason = f'{path} holds the outputs of mergekit, PEFT and others'
    if os.environ.get('CI') == 'true':
      pytest.fail(reason)
    pytest.skip(reason)
  cases = {}
  with np.load(path) as file:
    for name, x in file.items():
      case, _, leaf = name.partition('::')
      cases.setdefault(case, {})[leaf] = x
  about = json.loads(path.with_suffix('.json').read_text())
  found = {case: trees.nested(leaves) for case, leaves in cases.items()}
  return found | {'weights': about['weights']}
