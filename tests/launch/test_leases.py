import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from paramspace.launch import leases

HOLD = """
import pathlib, sys, time
from paramspace.launch import leases
with leases.hold([pathlib.Path(sys.argv[1])]) as held:
  print(len(held.folders), flush=True)
  time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
  """Another process that holds `tmp_path/a`."""
  process = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path / 'a')],
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == '1\n'
  yield process
  process.kill()
  process.wait()
  process.stdout.close()


def claimed(*folders):
  with leases.hold(folders) as held:
    return [f.name for f in held.folders]


def test_a_folder_is_held_once(tmp_path):
  with leases.hold([tmp_path / 'a']) as held:
    assert held.folders == (tmp_path / 'a',)
    assert claimed(tmp_path / 'a', tmp_path / 'b') == ['b']
    holder = leases.live(tmp_path / 'a')
    assert (holder.pid, holder.generation) == (os.getpid(), 1)
    assert 0 <= holder.age < 10
  assert leases.read(tmp_path / 'a') is None
  assert claimed(tmp_path / 'a') == ['a']


def test_a_living_process_keeps_its_claim_however_old(tmp_path, other):
  os.utime(tmp_path / 'a' / 'lease.1', (0, 0))
  assert leases.live(tmp_path / 'a').pid == other.pid
  assert claimed(tmp_path / 'a') == []


def test_a_killed_process_loses_its_claim_at_once(tmp_path, other):
  other.send_signal(signal.SIGKILL)
  other.wait()
  assert leases.live(tmp_path / 'a') is None
  with leases.hold([tmp_path / 'a']) as held:
    assert held.folders
    assert leases.read(tmp_path / 'a').generation == 2


def test_a_zombie_is_dead(tmp_path, other):
  other.send_signal(signal.SIGKILL)
  deadline = time.monotonic() + 10
  while leases.live(tmp_path / 'a') and time.monotonic() < deadline:
    time.sleep(0.01)
  assert claimed(tmp_path / 'a') == ['a']


def elsewhere(folder, age):
  """Makes the claim of a process on another machine."""
  path = folder / 'lease.3'
  folder.mkdir()
  path.write_text(
    '{"host": "far", "pid": 1, "place": "far", "born": "1", "nonce": "x"}'
  )
  then = time.time() - age
  os.utime(path, (then, then))
  return path


def test_another_machines_claim_ends_with_its_heartbeat(tmp_path):
  elsewhere(tmp_path / 'a', age=leases.BEAT)
  assert claimed(tmp_path / 'a') == []
  elsewhere(tmp_path / 'b', age=leases.BEAT * (leases.MISSED + 1))
  assert claimed(tmp_path / 'b') == ['b']


def test_a_claim_that_was_never_written_goes_stale(tmp_path):
  elsewhere(tmp_path / 'a', age=0).write_text('')
  assert claimed(tmp_path / 'a') == []
  path = elsewhere(tmp_path / 'b', age=0)
  path.write_text('')
  os.utime(path, (1, 1))
  assert claimed(tmp_path / 'b') == ['b']


def test_a_number_is_not_used_again_while_work_is_left(tmp_path):
  for generation in (1, 2, 3):
    with pytest.raises(KeyError), leases.hold([tmp_path]):
      assert leases.read(tmp_path).generation == generation
      raise KeyError
    assert leases.read(tmp_path) is None
    assert len(leases.files(tmp_path)) == 1


def test_the_former_owner_sees_that_it_was_replaced(tmp_path):
  with leases.hold([tmp_path]) as held:
    held.beat()
    assert not held.lost
    (tmp_path / 'lease.2').write_text('{}')
    held.beat()
    assert held.lost
  assert (tmp_path / 'lease.2').exists()


def test_the_thread_shows_the_heartbeat(tmp_path, monkeypatch):
  monkeypatch.setattr(leases, 'BEAT', 0.02)
  with leases.hold([tmp_path]):
    os.utime(tmp_path / 'lease.1', (1, 1))
    deadline = time.monotonic() + 10
    while leases.read(tmp_path).age > 5 and time.monotonic() < deadline:
      time.sleep(0.01)
    assert leases.read(tmp_path).age < 5


def race(folder, start, won):
  start.wait()
  with leases.hold([pathlib.Path(folder)]) as held:
    won.put(len(held.folders))
    if held.folders:
      time.sleep(0.5)


def test_of_many_that_take_over_at_once_one_wins(tmp_path):
  elsewhere(tmp_path / 'a', age=1e6)
  context = multiprocessing.get_context('spawn')
  start, won = context.Barrier(4), context.Queue()
  processes = [
    context.Process(target=race, args=(str(tmp_path / 'a'), start, won))
    for _ in range(4)
  ]
  for process in processes:
    process.start()
  assert sorted(won.get(timeout=60) for _ in processes) == [0, 0, 0, 1]
  for process in processes:
    process.join()
