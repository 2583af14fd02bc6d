"""SIGKILL at random moments, over a sweep that is started until it is done."""

import os
import pathlib
import signal
import time
from typing import Any

import ml_collections
import numpy as np

from experiments.benchmarks.chaos import _checks
from experiments.benchmarks.chaos import _command
from paramspace.launch import leases

# Seconds between two kills, on average: a worker starts, saves a few times.
_PAUSE = 2.0
_PATIENCE = 120.0  # Seconds to wait for a moment that does not come.


def run(config: ml_collections.ConfigDict, folder: pathlib.Path) -> list[dict]:
  """Kills launchers and workers, and compares what is left with a calm sweep.

  Args:
    config: `kills` in all, `kills_in_save` of them while a checkpoint is being
      written, `kills_of_launcher` of the launcher.
    folder: An empty directory.

  Returns:
    The checks.
  """
  calm = folder / 'calm'
  code = _command.sweep(config, calm).wait()
  rng = np.random.Generator(np.random.Philox(key=config.seed))
  storm = _Storm(config, rng)
  rounds = []
  while storm.plan:
    rounds.append(folder / f'storm{len(rounds)}')
    storm.rage(rounds[-1])
  wanted, rows = _command.digests(calm), _command.metrics(calm)
  count = lambda f: sum(f(r) for r in rounds)
  return [
    _checks.exactly('exit code of the calm sweep', code, 0),
    _checks.exactly('points of the sweep', len(wanted), config.points),
    _checks.exactly('kills', storm.kills, config.kills),
    _checks.exactly('of them during a save', storm.saves, config.kills_in_save),
    _checks.at_most(
      'points whose final parameters have another digest',
      count(lambda r: _checks.differing(_command.digests(r), wanted)),
    ),
    _checks.at_most(
      'points whose metrics differ in a byte',
      count(lambda r: _checks.differing(_command.metrics(r), rows)),
    ),
    _checks.at_most('results written twice', storm.rewritten),
    _checks.at_most('checkpoints quarantined', count(_quarantined)),
    {'check': 'kills besides, too late for a save', 'found': storm.late},
    {'check': 'sweeps it took', 'found': len(rounds)},
    {'check': 'starts of the command', 'found': storm.starts},
  ]


def _quarantined(workdir: pathlib.Path) -> int:
  return len(list(workdir.glob('runs/*/ckpt.damaged/*')))


class _Storm:
  """The kills that are still to come, and what they have done so far.

  Attributes:
    plan: What to kill: 'save', 'worker' or 'launcher', the next one last.
    kills: How many there were.
    saves: How many of them left a checkpoint half written.
    late: Kills besides, meant for a save that was over.
    starts: How often the command was started.
    rewritten: Results that were there and were written again.
  """

  def __init__(
    self, config: ml_collections.ConfigDict, rng: np.random.Generator
  ):
    others = config.kills - config.kills_in_save - config.kills_of_launcher
    plan = ['save'] * config.kills_in_save + ['worker'] * others
    plan += ['launcher'] * config.kills_of_launcher
    self.plan = [plan[i] for i in rng.permutation(len(plan))]
    self.kills = self.saves = self.late = self.starts = self.rewritten = 0
    self._config, self._rng = config, rng

  def rage(self, workdir: pathlib.Path) -> None:
    """Starts the sweep again and again until it is done, and kills."""
    seen = {}
    while True:
      launcher = _command.sweep(self._config, workdir)
      self.starts += 1
      while self.plan and launcher.process.poll() is None:
        self._strike(workdir, launcher)
        self._look(workdir, seen)
      code = launcher.wait()
      self._look(workdir, seen)
      if code == 0:
        return

  def _strike(self, workdir: pathlib.Path, launcher: _command.Command) -> None:
    """Waits for the moment of the next kill, and kills."""
    kind = self.plan[-1]
    if kind == 'save':
      struck = self._in_save(workdir, launcher)
    else:
      time.sleep(self._rng.exponential(_PAUSE))
      pids = [pid for pid, _ in _workers(workdir)]
      if kind == 'launcher':
        pids = [launcher.process.pid]
      struck = bool(pids) and launcher.process.poll() is None
      if struck:
        _kill(pids[self._rng.integers(len(pids))])
    if struck:
      self.plan.pop()
      self.kills += 1

  def _in_save(self, workdir: pathlib.Path, launcher: _command.Command) -> bool:
    """Kills a worker as soon as a part of a checkpoint is on disk."""
    # So that it is not always the first save after the last kill.
    time.sleep(self._rng.exponential(_PAUSE))
    until = time.monotonic() + _PATIENCE
    while launcher.process.poll() is None and time.monotonic() < until:
      for pid, folder in _workers(workdir):
        if _half_written(folder):
          _kill(pid)
          if _half_written(folder):
            self.saves += 1
            return True
          self.late += 1
      time.sleep(0.001)
    return False

  def _look(self, workdir: pathlib.Path, seen: dict[str, Any]) -> None:
    """Remembers the results that are there; counts those that changed."""
    for path in workdir.glob('runs/*/result.json'):
      about = path.stat()
      now = about.st_ino, about.st_mtime_ns
      self.rewritten += seen.setdefault(path, now) != now
      seen[path] = now


def _workers(workdir: pathlib.Path) -> list[tuple[int, pathlib.Path]]:
  """The processes that hold a point, with the point's directory."""
  folders = sorted(workdir.glob('runs/*/'))
  holders = [(leases.live(folder), folder) for folder in folders]
  return [(h.pid, folder) for h, folder in holders if h]


def _half_written(folder: pathlib.Path) -> bool:
  try:
    names = os.listdir(folder / 'ckpt')
  except OSError:
    return False
  return any('tmp' in name for name in names)


def _kill(pid: int) -> None:
  try:
    os.kill(pid, signal.SIGKILL)
  except ProcessLookupError:
    return
  while _alive(pid):
    time.sleep(0.001)


def _alive(pid: int) -> bool:
  """Whether a process runs; one that its parent has not buried does not."""
  try:
    text = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except OSError:
    return False
  return text.rpartition(')')[2].split()[0] not in 'ZX'
