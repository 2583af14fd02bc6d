import importlib.util
import json
import struct

import jax.numpy as jnp
import ml_collections
import pytest

from paramspace.launch import errors
from paramspace.launch import metrics
from paramspace.launch import run

LAB_SINK = """
import json
import pathlib


class Writer:
  def __init__(self, folder, config, meta):
    self._file = open(folder / 'lab.txt', 'a')
    self._say('open', config['seed'], meta['argv'], meta['from_step'])
    self.fails = pathlib.Path('fails').exists()

  def _say(self, *what):
    print(json.dumps(what), file=self._file, flush=True)

  def write_scalars(self, step, scalars):
    if self.fails and step == 2:
      raise OSError('no network\\nat all')
    self._say(step, scalars)

  def write_texts(self, step, texts):
    self._say(step, texts)

  def write_hparams(self, hparams):
    self._say('hparams', sorted(hparams))

  def flush(self):
    pass

  def close(self):
    self._say('close')
    self._file.close()


def broken(folder, config, meta):
  raise RuntimeError('no account')
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(str(tmp_path))
  (tmp_path / 'toy_sink.py').write_text(LAB_SINK)
  return tmp_path / '0123456789abcdef'


def make(folder, *sinks):
  execution = {'log_every': 1, 'sinks': sinks}
  config = {'study': 's', 'seed': 7, 'execution': execution}
  return run.Run(folder, ml_collections.ConfigDict(config).lock())


STATE = {'x': jnp.ones(2)}


def train(one, first, last, save=None):
  """Logs some steps; without a close, as if it were killed then."""
  for step in range(first, last + 1):
    one.log(step, loss=jnp.float32(step) / 2)
    one.should_stop(step)
    if step == save:
      one.checkpoints.save(step, STATE)


def killed_and_resumed(folder, *sinks):
  """Three steps and a kill; goes on from the second to the fifth."""
  one = make(folder, *sinks)
  one.start({'argv': ['x']}, resume=False)
  train(one, 1, 3, save=2)
  one.checkpoints.wait()
  one._sinks.close()  # Only so that no file stays open in this process.
  one = make(folder, *sinks)
  one.start({'argv': ['x']}, resume=True)
  assert one.checkpoints.restore(STATE)[0] == 2
  train(one, 3, 5)
  one.close()
  one.close()


def test_a_lab_brings_its_own_sink(folder):
  killed_and_resumed(folder, 'toy_sink.Writer')
  said = [json.loads(x) for x in (folder / 'lab.txt').read_text().splitlines()]
  names = [
    'hparams',
    ['execution.log_every', 'execution.sinks', 'seed', 'study'],
  ]
  assert said == [
    ['open', 7, ['x'], 0],
    names,
    *([step, {'loss': step / 2}] for step in (1, 2, 3)),
    ['close'],
    ['open', 7, ['x'], 3],
    names,
    *([step, {'loss': step / 2}] for step in (3, 4, 5)),
    ['close'],
  ]


def test_a_sink_that_fails_is_left_out_and_the_others_go_on(folder, capfd):
  (folder.parent / 'fails').touch()
  one = make(folder, 'toy_sink.Writer', 'toy_sink.broken')
  one.start({'argv': []}, resume=False)
  train(one, 1, 3)
  one.close()
  assert capfd.readouterr().out.splitlines() == [
    'The sink toy_sink.broken failed and is left out: RuntimeError: no account',
    'The sink toy_sink.Writer failed and is left out: OSError: no network',
  ]
  rows = metrics.read(folder / 'metrics.jsonl')
  assert [row['step'] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
  ('sinks', 'message'),
  [
    (('tensorbord',), "No sink 'tensorbord'"),
    (('toy_sink.writer',), "No sink 'toy_sink.writer'"),
    (('toy_sync.Writer',), "did you mean 'toy_sink'"),
    ('tensorboard', r"write \('tensorboard',\)"),
  ],
)
def test_an_unknown_sink_is_a_usage_error(folder, sinks, message):
  config = {'study': 's', 'execution': {'sinks': sinks}}
  with pytest.raises(errors.UsageError, match=message):
    run.Run(folder, ml_collections.ConfigDict(config))


@pytest.mark.parametrize('name', ['tensorboard', 'wandb'])
def test_a_missing_package_is_named_before_training(folder, monkeypatch, name):
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(errors.UsageError) as e:
    make(folder, name)
  assert f"pip install 'paramspace[{name}]'" in str(e.value)


def events(folder):
  """What TensorBoard shows: each file's events in order, purged on restart."""
  from tensorboardX.proto import event_pb2

  shown = {}
  for path in sorted(folder.glob('tensorboard/events.*')):
    content, at = path.read_bytes(), 0
    while at < len(content):
      (length,) = struct.unpack_from('<Q', content, at)
      event = event_pb2.Event.FromString(content[at + 12 : at + 12 + length])
      at += length + 16  # The length and the event, each with a checksum.
      if event.session_log.status == event_pb2.SessionLog.START:
        for tag in shown:
          shown[tag] = [x for x in shown[tag] if x[0] < event.step]
      for value in event.summary.value:
        seen = event.step, value.simple_value
        shown.setdefault(value.tag, []).append(seen)
  return shown


def test_tensorboard_shows_every_step_once(folder):
  pytest.importorskip('tensorboardX')
  killed_and_resumed(folder, 'tensorboard')
  shown = events(folder)
  assert shown['loss'] == [(step, step / 2) for step in range(1, 6)]
  assert len(list(folder.glob('tensorboard/events.*'))) == 2


def test_wandb_writes_offline_without_an_account(folder, monkeypatch):
  wandb = pytest.importorskip('wandb')
  for name, value in {
    'WANDB_MODE': 'offline',
    'WANDB_SILENT': 'true',
    'WANDB_CONFIG_DIR': str(folder.parent / 'settings'),
  }.items():
    monkeypatch.setenv(name, value)
  killed_and_resumed(folder, 'wandb')
  wandb.teardown()
  starts = list(folder.glob('wandb/offline-run-*/run-*.wandb'))
  assert {p.stem.split('-')[-1] for p in starts} == {folder.name}
