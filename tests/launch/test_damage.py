"""Harm to checkpoints: the right values or the step before, never others."""

import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import paramspace
from paramspace import averaging
from paramspace.files import manifest
from paramspace.launch import checkpoints
from paramspace.launch import errors
from paramspace.launch import steps

ROOT = pathlib.Path(paramspace.__file__).parents[1]


def state(step):
  """A small state, of which one leaf is large enough to be written apart."""
  return {
    'x': jnp.arange(3.0) + step,
    'large': jnp.full((2**18,), step / 3, jnp.float32),
    'key': jax.random.key(step),
  }


def flip(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(bytes(content))


def truncate(path):
  os.truncate(path, path.stat().st_size // 2)


def empty(path):
  os.truncate(path, 0)


def delete(path):
  path.unlink()


def link(path):
  outside = path.parents[path.parts[::-1].index('run')] / 'outside'
  path.rename(outside)
  path.symlink_to(outside)


HARMS = (flip, truncate, empty, delete, link)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """A folder with two steps, not to be changed."""
  folder = tmp_path_factory.mktemp('whole')
  kept = checkpoints.Checkpoints(folder / 'ckpt')
  for step in (1, 2):
    kept.save(step, state(step))
  kept.close()
  return folder


@pytest.fixture
def copied(whole, tmp_path):
  """Makes copies of that folder, of which the last is left."""

  def copy():
    shutil.rmtree(tmp_path / 'run', ignore_errors=True)
    (tmp_path / 'outside').unlink(missing_ok=True)
    shutil.copytree(whole, tmp_path / 'run')
    return checkpoints.Checkpoints(tmp_path / 'run' / 'ckpt')

  return copy


def newest(kept):
  """The files of the newest step, its manifest first."""
  step = kept.directory / str(kept.steps()[-1])
  beside = kept.directory.with_name('manifests') / f'{step.name}.json'
  return [beside, *sorted(p for p in step.rglob('*') if p.is_file())]


@pytest.mark.parametrize('harm', HARMS)
def test_a_file_that_is_harmed_never_gives_other_values(copied, harm, capsys):
  ends = {1: 0, 2: 0}
  for number in itertools.count():
    kept = copied()
    files = newest(kept)
    if number == len(files):
      break
    harmed = files[number]
    harm(harmed)
    step, found = kept.restore(state(0))
    assert manifest.digest(found) == manifest.digest(state(step)), harmed
    ends[step] += 1
    kept.close()
    printed = capsys.readouterr().out.splitlines()
    never_finished = number == 0 and harm is delete
    fell_back = step == 1 and not never_finished
    assert len(printed) == fell_back
    aside = kept.directory.with_name('ckpt.damaged') / '2'
    assert aside.exists() == fell_back
    if fell_back:
      assert printed[0].startswith('Checkpoint 2 is damaged (')
      assert str(aside) in printed[0]
      assert kept.steps() == [1]
  assert number > 5  # Files of orbax's, the numbers' and the manifest.
  assert ends[1] >= 3
  if harm is link:
    assert not ends[2]


def test_a_file_of_numbers_that_is_gone_is_not_read_as_zeros(copied):
  kept = copied()
  files = [p for p in newest(kept) if p.stat().st_size > 2**18]
  assert len(files) == 1
  files[0].unlink()
  assert kept.restore(state(0))[0] == 1


def test_a_step_that_is_gone_is_damage(copied, capsys):
  kept = copied()
  shutil.rmtree(kept.directory / '2')
  assert kept.restore(state(0))[0] == 1
  assert 'Checkpoint 2 is damaged' in capsys.readouterr().out
  aside = kept.directory.with_name('ckpt.damaged') / '2'
  assert [p.name for p in aside.iterdir()] == ['manifest.json']


def test_a_step_that_is_a_link_is_not_followed(copied, tmp_path):
  kept = copied()
  (kept.directory / '2').rename(tmp_path / 'outside')
  (kept.directory / '2').symlink_to(tmp_path / 'outside')
  assert kept.restore(state(0))[0] == 1
  assert (tmp_path / 'outside').is_dir()
  shutil.rmtree(tmp_path / 'outside')


def test_a_fifo_is_not_waited_for(copied):
  kept = copied()
  os.mkfifo(kept.directory / '2' / 'leaves' / 'fifo')
  assert kept.restore(state(0))[0] == 1


def test_another_step_under_this_name_is_damage(copied):
  kept = copied()
  shutil.rmtree(kept.directory / '2')
  shutil.copytree(kept.directory / '1', kept.directory / '2')
  step, found = kept.restore(state(0))
  assert step == 1
  assert manifest.digest(found) == manifest.digest(state(1))


def test_an_older_quarantine_is_kept(copied):
  kept = copied()
  for _ in range(3):
    flip(newest(kept)[0])
    assert kept.restore(state(0))[0] == 1
    kept.save(2, state(2))
    kept.wait()
  aside = kept.directory.with_name('ckpt.damaged')
  assert {p.name for p in aside.iterdir()} == {'2', '2-2', '2-3'}
  for path in aside.iterdir():
    assert {p.name for p in path.iterdir()} == {'checkpoint', 'manifest.json'}


def test_killed_while_it_removes_a_step_leaves_no_damage(copied, monkeypatch):
  kept = copied()

  class Killed(BaseException):
    pass

  def remove_a_little(folder):
    next(p for p in folder.rglob('*') if p.is_file()).unlink()
    raise Killed

  with monkeypatch.context() as patched:
    patched.setattr(shutil, 'rmtree', remove_a_little)
    with pytest.raises(Killed):
      steps.remove(kept.directory, 2)
  assert kept.steps() == [1]
  assert kept.restore(state(0))[0] == 1
  assert not kept.directory.with_name('ckpt.damaged').exists()
  kept.save(2, state(2))
  kept.close()
  assert checkpoints.verify(kept.directory) == [(1, None), (2, None)]


def test_nothing_but_damage_is_an_error_and_then_a_new_start(copied):
  kept = copied()
  for step in (1, 2):
    flip(kept.directory.with_name('manifests') / f'{step}.json')
  with pytest.raises(errors.CheckpointCorrupt, match='No checkpoint in') as e:
    kept.restore(state(0))
  assert e.value.code == errors.CORRUPT
  assert str(kept.directory.with_name('ckpt.damaged')) in str(e.value)
  assert kept.restore(state(0)) is None


def test_damage_that_cannot_be_moved_is_an_error(copied):
  kept = copied()
  flip(newest(kept)[0])
  kept.directory.with_name('ckpt.damaged').touch()  # A file, so no folder.
  with pytest.raises(errors.CheckpointCorrupt, match='cannot be set aside'):
    kept.restore(state(0))
  assert kept.steps() == [1, 2]


def test_verifying_names_what_is_harmed(copied):
  kept = copied()
  large = max(newest(kept), key=lambda p: p.stat().st_size)
  flip(large)
  one, (two, problem) = checkpoints.verify(kept.directory)
  assert one == (1, None)
  assert two == 2 and "leaf 'large' is not what was written" in problem
  assert kept.steps() == [1, 2]


def test_a_damaged_step_is_not_averaged(copied):
  kept = copied()
  load = lambda step: lambda: checkpoints.load(kept.directory, step)
  mean = averaging.combine([0.5, 0.5], [_floats(load(s)) for s in (1, 2)])
  np.testing.assert_allclose(mean['x'], [1.5, 2.5, 3.5])
  flip(max(newest(kept), key=lambda p: p.stat().st_size))
  with pytest.raises(errors.CheckpointCorrupt, match=r"Checkpoint 2 .*'large'"):
    averaging.combine([0.5, 0.5], [_floats(load(s)) for s in (1, 2)])
  with pytest.raises(errors.CheckpointCorrupt, match='take another of'):
    checkpoints.load(kept.directory)


def _floats(load):
  return lambda: {n: x for n, x in load().items() if n != 'key'}


SAVES = """
import pathlib
import sys

import jax.numpy as jnp

from paramspace.launch import checkpoints

kept = checkpoints.Checkpoints(pathlib.Path(sys.argv[1]))
target = {'x': jnp.zeros((8, 1000)), 'large': jnp.zeros(2**18)}
step, found = kept.restore(target) or (0, target)
assert all((x == step).all() for x in found.values()), step
print('from', step, flush=True)
while True:
  step += 1
  kept.save(step, {name: jnp.full_like(x, step) for name, x in target.items()})
"""


def python(script, *arguments, **options):
  return subprocess.Popen(
    [sys.executable, '-c', textwrap.dedent(script), *map(str, arguments)],
    env=os.environ | {'PYTHONPATH': str(ROOT), 'JAX_PLATFORMS': 'cpu'},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    **options,
  )


def half_written(directory):
  return any('tmp' in p.name for p in directory.iterdir())


def test_killed_at_any_moment_the_newest_step_is_whole(tmp_path):
  rng = random.Random(0)
  directory, last = tmp_path / 'ckpt', 0
  kept = checkpoints.Checkpoints(directory)
  in_save = kills = 0
  while in_save < 2 or kills < 4:
    assert kills < 12
    process = python(SAVES, directory)
    line = process.stdout.readline()
    assert line.startswith('from '), line + process.stdout.read()
    step = int(line.split()[1])
    assert step >= last
    while kept.steps()[-1:] <= [step]:
      time.sleep(0.001)
    if kills % 2:
      time.sleep(rng.uniform(0.0, 0.1))
    else:
      while not half_written(directory):
        time.sleep(0.0002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kills += 1
    in_save += half_written(directory)
    last = kept.steps()[-1]
  assert checkpoints.verify(directory)[-1] == (last, None)
  assert not directory.with_name('ckpt.damaged').exists()


NO_ROOM = """
import pathlib
import resource
import sys

import jax.numpy as jnp

from paramspace.launch import checkpoints
from paramspace.launch import errors

kept = checkpoints.Checkpoints(pathlib.Path(sys.argv[1]), keep=1)
state = lambda step: {'x': jnp.full(2**15, float(step)), 'y': jnp.ones(2**18)}
kept.save(1, state(1))
kept.wait()
if sys.argv[2] == 'limit':
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limits[1]))
else:
  filler = pathlib.Path(sys.argv[1]).with_name('filler')
  with open(filler, 'wb', buffering=0) as file:
    try:
      while True:
        file.write(bytes(2**12))
    except OSError:
      pass
kept.save(2, state(2))
try:
  kept.wait()
except errors.CheckpointFailed as e:
  print(e)
else:
  raise SystemExit('It was saved.')
assert kept.steps() == [1]
assert [p.name for p in kept.directory.iterdir()] == ['1']
step, found = kept.restore(state(0))
assert step == 1 and (found['x'] == 1).all()
if sys.argv[2] == 'limit':
  resource.setrlimit(resource.RLIMIT_FSIZE, limits)
else:
  filler.unlink()
kept.save(2, state(2))
kept.close()
assert kept.steps() == [2]
step, found = kept.restore(state(0))
assert step == 2 and (found['x'] == 2).all()
"""


def no_room(directory, how):
  process = python(NO_ROOM, directory, how)
  printed, _ = process.communicate()
  assert process.returncode == 0, printed
  assert printed.count('\n') == 1, printed
  line = printed.rstrip()
  assert line.startswith('Step 2 could not be saved: ')
  assert f'Step 1 is intact; make room for {directory}' in line


def test_without_room_the_step_before_stays(tmp_path):
  no_room(tmp_path / 'ckpt', 'limit')


def test_on_a_full_disk_the_step_before_stays(tmp_path):
  size = ['-o', f'size={6 * 2**20}']
  mount = ['mount', '-t', 'tmpfs', *size, 'tmpfs', str(tmp_path)]
  if subprocess.run(mount, capture_output=True).returncode:
    pytest.skip('A file system may not be mounted here.')
  try:
    no_room(tmp_path / 'ckpt', 'fill')
  finally:
    subprocess.run(['umount', '-l', str(tmp_path)], check=True)


def test_a_failed_save_is_said_once_by_whatever_comes_next(tmp_path):
  (tmp_path / 'manifests').touch()  # A file where the folder belongs.
  kept = checkpoints.Checkpoints(tmp_path / 'ckpt')
  for comes_next in (kept.wait, kept.close, lambda: kept.save(2, state(2))):
    kept.save(1, state(1))
    with pytest.raises(errors.CheckpointFailed, match='There is none') as e:
      comes_next()
    assert e.value.code == errors.FAILED
    kept.close()
    assert not list(kept.directory.iterdir())
  (tmp_path / 'manifests').unlink()
  kept.save(1, state(1))
  kept.close()
  assert kept.steps() == [1]
