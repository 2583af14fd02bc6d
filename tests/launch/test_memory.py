import sys

import jax
import pytest

from paramspace.launch import memory
from paramspace.launch import sweep as sweeps


def test_rows_are_those_that_fit_in_half_of_the_memory(monkeypatch):
  monkeypatch.setattr(memory, 'total', lambda: 100)
  assert memory.rows(lambda config: 10)(None) == 5
  assert memory.rows(lambda config: 51)(None) == 1


def test_memory_is_that_of_the_devices(monkeypatch):
  class Device:
    def memory_stats(self):
      return {'bytes_limit': 1234, 'bytes_in_use': 1000}

  monkeypatch.setattr(jax, 'local_devices', lambda: [Device(), Device()])
  assert memory.total() == 2468


def test_memory_is_that_of_the_machine_where_the_device_has_none():
  assert memory.total() > 2**28


@pytest.mark.parametrize(
  ('row', 'started'),
  [(1, ['0 1 2']), (30, ['0 1', '2 2']), (99, ['0', '1', '2'])],
)
def test_a_study_says_how_much_its_rows_take(lab, monkeypatch, row, started):
  monkeypatch.setattr(memory, 'total', lambda: 120)
  sweep = sweeps.prepare(lab.config)
  free = sweeps.plan(sweep)
  sys.modules['toy_study'].row_bytes = lambda config: row
  assert (sweeps.plan(sweep) == free) == (row == 1)
  sweeps.run(sweep)
  assert lab.started == started
