"""Runs each point in processes of its own, which an engine places.

This process imports neither JAX nor the study. What it knows of a point it
reads from the point's files; so it may be killed, and another one goes on.
"""

import contextlib
import pathlib
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from paramspace.launch import errors
from paramspace.launch import failures
from paramspace.launch import leases
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import run
from paramspace.launch import terminal
from paramspace.launch.executors import _engine

# Preempted and saved; aborted with a peer, killed, told to end.
RETRYABLE = {42, 134, 137, 143}
RETRIES = 3

_POLL = 0.05  # Seconds.
_NEWS = 60.0  # Seconds between two lines of progress.


def plan(members: Sequence[points.Point], study: str) -> list[points.Group]:
  """Returns a group for each point."""
  del study
  return [points.group([point], size=1) for point in members]


def executor(
  make_engine: Callable[[pathlib.Path], _engine.Engine],
) -> Callable[..., list[failures.Failure]]:
  """Makes the function that runs points through an engine.

  Args:
    make_engine: Takes the sweep's directory.
  """

  def execute(
    groups: Sequence[points.Group], study: str, workdir: pathlib.Path, stop: Any
  ) -> list[failures.Failure]:
    del study
    members = {p.id: p for g in groups for p in g.points}
    with contextlib.closing(make_engine(workdir)) as engine:
      return _Dispatch(engine, members, workdir, stop).run()

  return execute


class _Dispatch:
  """The points of a sweep on their way from missing to done."""

  def __init__(
    self,
    engine: _engine.Engine,
    members: dict[str, points.Point],
    workdir: pathlib.Path,
    stop: Any,
  ):
    self._engine, self._members, self._workdir = engine, members, workdir
    self._stop = stop
    # When each point may be looked at (again).
    self._waiting = {
      p.id: 0.0
      for p in members.values()
      if not run.done(run.directory(workdir, p))
    }
    self._running: set[str] = set()
    self._attempts = dict.fromkeys(self._waiting, 0)
    self._failed: list[failures.Failure] = []
    self._total = len(self._waiting)
    self._news = time.monotonic() + _NEWS

  def run(self) -> list[failures.Failure]:
    """Returns what failed, once all points are done or have failed."""
    with terminal.progress(self._total, 'points') as bar:
      shown = 0
      while self._waiting or self._running:
        if self._stop.requested:
          self._halt()
        self._start()
        for name, code in self._engine.ended():
          self._settle(name, code)
        over = self._total - len(self._waiting) - len(self._running)
        bar.advance(over - shown, running=len(self._running))
        shown = over
        self._tell(over)
        time.sleep(_POLL)
    return self._failed

  def _start(self) -> None:
    """Fills the engine with points that no one else runs."""
    now = time.monotonic()
    for name, at in list(self._waiting.items()):
      if len(self._running) >= self._engine.slots:
        return
      if now < at:
        continue
      folder = self._folder(name)
      if run.done(folder):
        del self._waiting[name]
      elif leases.live(folder):
        self._waiting[name] = now + leases.BEAT / 2
      else:
        self._launch(name, folder)

  def _launch(self, name: str, folder: pathlib.Path) -> None:
    records.write(folder / 'config.json', self._members[name].flat)
    failures.clear(folder)
    self._engine.start(_engine.job(self._workdir, folder))
    del self._waiting[name]
    self._running.add(name)

  def _settle(self, name: str, code: int) -> None:
    """Decides what becomes of a point whose processes have ended."""
    self._running.remove(name)
    folder = self._folder(name)
    if run.done(folder):
      return
    if code in RETRYABLE and self._attempts[name] < RETRIES:
      self._attempts[name] += 1
      # Whatever ended it may still be there a second later.
      self._waiting[name] = time.monotonic() + 2.0 ** (self._attempts[name] - 2)
      terminal.line(
        f'Point {name} ended with {code}; starting it again '
        f'({self._attempts[name]} of {RETRIES}).'
      )
      return
    attempts = self._attempts[name] + 1
    self._failed.append(failures.give_up(folder, code, attempts))

  def _halt(self) -> None:
    """Lets all points save, and ends."""
    self._engine.stop()
    while self._running:
      for name, _ in self._engine.ended():
        self._running.remove(name)
      time.sleep(_POLL)
    raise errors.Preempted

  def _tell(self, over: int) -> None:
    """Prints a line now and then where no progress bar is seen."""
    if time.monotonic() < self._news or terminal.interactive():
      return
    self._news = time.monotonic() + _NEWS
    terminal.line(
      f'{over} of {self._total} ended, {len(self._running)} running, '
      f'{len(self._failed)} failed'
    )

  def _folder(self, name: str) -> pathlib.Path:
    return run.directory(self._workdir, self._members[name])
