"""Rows of one program: together over the devices, or one by one and exact."""

import threading
import time

import pytest

from paramspace.launch import errors
from paramspace.launch import leases
from paramspace.launch import records

STUDY = """
import jax
import jax.numpy as jnp

VMAPPABLE = ('seed', 'rate')


def row(seed, rate):
  key = jax.random.key(seed)
  w = jax.random.normal(key, (200, 200))
  x = jax.random.normal(jax.random.fold_in(key, 1), (200,))
  step = lambda x, _: (jnp.tanh(rate * (w @ x)), None)
  return jax.lax.scan(step, x, None, length=20)[0].sum()


def run(config, run):
  rate = jnp.float32(config.rate)
  return {'x': float(jax.jit(row)(jnp.int32(config.seed), rate))}


def run_batch(configs, run):
  seeds = jnp.array([c.seed for c in configs])
  rates = jnp.array([c.rate for c in configs], jnp.float32)
  found = jax.jit(run.each(row))(*run.place((seeds, rates)))
  with open('devices.txt', 'w') as file:
    file.write(f'{len(configs)} {len(found.sharding.device_set)}')
  return [{'x': float(x)} for x in found]
"""


@pytest.fixture
def rows(lab):
  """Runs a sweep of ten points by an executor; returns x by id."""
  lab.write('toy_rows.py', STUDY)
  text = (lab.root / lab.config).read_text().replace('range(3)', 'range(10)')
  lab.write(lab.config, text)

  def run(executor, *options):
    call = ['sweep', lab.config, f'--executor={executor}', *options]
    call += ['--config.study=toy_rows', f'--workdir={executor}']
    assert lab.command(*call) == errors.DONE
    paths = (lab.root / executor).glob('runs/*/result.json')
    return {p.parent.name: records.read(p)['result']['x'] for p in paths}

  return run


def test_mapped_rows_have_the_bits_of_single_runs(lab, rows):
  assert rows('mapped') == rows('inline')
  assert (lab.root / 'devices.txt').read_text() == '10 1'


def test_vmapped_rows_are_spread_evenly_over_all_devices(lab, rows):
  found = rows('vmapped')
  assert (lab.root / 'devices.txt').read_text() == '16 8'
  assert found.keys() == rows('inline').keys()


def test_a_declared_size_is_kept_on_as_many_devices_as_divide_it(lab, rows):
  rows('vmapped', '--config.execution.group_size=5')
  assert (lab.root / 'devices.txt').read_text() == '5 5'


def test_results_say_how_they_were_executed(lab, rows):
  rows('mapped')
  path = next((lab.root / 'mapped').glob('runs/*/result.json'))
  record = records.read(path)
  assert (record['executor'], record['group_size']) == ('mapped', 10)


def test_a_point_that_another_process_runs_is_left_to_it(lab, monkeypatch):
  monkeypatch.setattr(leases, 'BEAT', 0.05)
  assert lab.command('sweep', lab.config, '--workdir=calm') == errors.DONE
  point = next((lab.root / 'calm' / 'runs').iterdir()).name
  folder = lab.root / 'storm' / 'runs' / point

  def other():
    with leases.hold([folder]) as held:
      assert held.folders
      holding.set()
      time.sleep(1)
      source = lab.root / 'calm' / 'runs' / point
      for name in ('metrics.jsonl', 'result.json'):
        records.write_bytes(folder / name, (source / name).read_bytes())

  holding = threading.Event()
  thread = threading.Thread(target=other)
  thread.start()
  holding.wait()
  started = len(lab.started)
  assert lab.command('sweep', lab.config, '--workdir=storm') == errors.DONE
  thread.join()
  assert len(lab.started) == started + 1
  (last,) = lab.started[started:]
  assert len(set(last.split())) == 2 and len(last.split()) == 3
  assert lab.results('storm') == lab.results('calm')
