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

from paramspace import trees

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_numpy_dtype_promotion', 'strict')

# Compiled programs are kept for the processes that tests start, not for longer.
os.environ['XDG_CACHE_HOME'] = tempfile.mkdtemp(prefix='paramspace-')
atexit.register(shutil.rmtree, os.environ['XDG_CACHE_HOME'], True)

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'golden'


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
