import os
import platform
import sys
import types

import jax

from paramspace.launch import meta
from paramspace.launch import records


def test_the_record_says_what_a_run_was_made_with(monkeypatch):
  monkeypatch.setenv('XLA_FLAGS', '--xla_cpu_enable_fast_math=false')
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  monkeypatch.setenv('SECRET', 'hunter2')
  meta.versions.cache_clear()
  monkeypatch.setitem(sys.modules, 'submitit', types.ModuleType('submitit'))
  monkeypatch.delitem(sys.modules, 'ray', raising=False)
  found = meta.record(meta)
  monkeypatch.undo()
  meta.versions.cache_clear()
  assert records.loads(records.dumps(found)) == found
  assert found['argv'] == sys.argv
  assert found['study'] == 'paramspace.launch.meta'
  assert found['devices']['count'] == jax.device_count()
  assert found['cores'] == len(os.sched_getaffinity(0))
  assert found['environment']['JAX_PLATFORMS'] == 'cpu'
  assert found['environment']['XLA_FLAGS'].endswith('fast_math=false')
  assert 'SECRET' not in found['environment']
  versions = found['versions']
  assert versions['python'] == platform.python_version()
  assert {'jax', 'jaxlib', 'tensorstore', 'ml_dtypes'} < versions.keys()
  assert 'submitit' in versions and 'ray' not in versions


def test_where_is_a_line_of_a_result():
  found = meta.where()
  assert found['devices'] == '8 cpu'
  assert found['jax'] == jax.__version__
  assert records.loads(records.dumps(found)) == found
