"""A sweep's directory, file by file."""

import subprocess
import sys

import ml_collections
import numpy as np
import pytest

from paramspace import cli
from paramspace.launch import artifacts
from paramspace.launch import metrics
from paramspace.launch import points
from paramspace.launch import records

META = {
  'git': 'abc',
  'devices': {'platform': 'cpu'},
  'versions': {'jax': '0.10.2'},
}
HOLD = """
import pathlib, sys, time
from paramspace.launch import leases
with leases.hold([pathlib.Path(sys.argv[1])]):
  print('held', flush=True)
  time.sleep(60)
"""


class Place:
  """Makes the files of a sweep in `path` and looks at them as a person does."""

  def __init__(self, path):
    self.path = path
    (path / 'runs').mkdir(parents=True)

  def begin(self, **changes):
    """A point that has its config; returns its folder."""
    config = {'study': 's', 'seed': 0, 'dims': (1, 2), 'rate': 0.1}
    config |= {'execution': {'jobs': 1}} | changes
    point = points.point(ml_collections.ConfigDict(config))
    folder = self.path / 'runs' / point.id
    records.write(folder / 'config.json', point.flat)
    return folder

  def finish(
    self, status='done', result=None, meta=None, about=None, **changes
  ):
    """A point that is done; returns its folder."""
    folder = self.begin(**changes)
    records.write(folder / 'meta.json', META | (meta or {}))
    rows = [{'step': s, 'loss': 1 / s} for s in (1, 2)]
    metrics.append(folder / 'metrics.jsonl', rows)
    artifacts.save(folder / 'artifacts', 'theta', {'w': np.arange(3.0)})
    record = {'id': folder.name, 'status': status, 'result': result or {'x': 1}}
    record |= {'executor': 'inline', 'group_size': 1, 'seconds': 0.5}
    records.write(folder / 'result.json', records.seal(record | (about or {})))
    return folder

  def save(self, folder, step):
    """Something like a checkpoint, for those who do not look inside."""
    (folder / 'ckpt' / str(step)).mkdir(parents=True)
    (folder / 'ckpt' / str(step) / 'data').write_bytes(bytes(1000))
    records.write(folder / 'manifests' / f'{step}.json', {})

  def group(self, name, *folders):
    """A group that was begun; returns its folder."""
    group = self.path / 'groups' / name
    records.write(group / 'group.json', {'members': [f.name for f in folders]})
    return group

  def list(self, *folders, **more):
    """Writes `sweep.json`."""
    index = {'points': [f.name for f in folders]} | more
    records.write(self.path / 'sweep.json', index)

  def files(self):
    """Every file and when it was changed."""
    return {p: p.stat().st_mtime_ns for p in self.path.rglob('*')}


@pytest.fixture
def place(tmp_path):
  return Place(tmp_path / 'sweep')


@pytest.fixture
def look(place, capsys):
  """Runs a verb on the place; returns its exit code, stdout and stderr."""

  def run(verb, *arguments):
    code = cli.main([verb, str(place.path), *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err

  return run


@pytest.fixture
def claim():
  """Lets another process claim a folder; returns the process."""
  started = []

  def hold(folder):
    process = subprocess.Popen(
      [sys.executable, '-c', HOLD, str(folder)], stdout=subprocess.PIPE
    )
    started.append(process)
    assert process.stdout.readline() == b'held\n'
    return process

  yield hold
  for process in started:
    process.kill()
    process.wait()
    process.stdout.close()
