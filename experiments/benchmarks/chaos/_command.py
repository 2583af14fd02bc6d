"""The `paramspace` command in processes that can be watched and killed."""

import os
import pathlib
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import ml_collections

from paramspace.launch import records


class Command:
  """A command that has been started.

  Attributes:
    process: The process.
  """

  def __init__(
    self,
    arguments: Sequence[str],
    log: pathlib.Path,
    before: Callable[[], None] | None = None,
    **options: Any,
  ):
    """Starts `paramspace ...`.

    Args:
      arguments: Verb and options.
      log: What it prints is appended there.
      before: Called in the new process, before Python starts.
      **options: Of `subprocess.Popen`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    self._log, self._from = log, log.stat().st_size if log.exists() else 0
    with log.open('ab') as file:
      self.process = subprocess.Popen(
        [sys.executable, '-m', 'paramspace', *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=file,
        stderr=subprocess.STDOUT,
        preexec_fn=before,
        **{'env': os.environ | {'JAX_PLATFORMS': 'cpu'}} | options,
      )

  def wait(self) -> int:
    """Returns the exit code, once it has ended."""
    return self.process.wait()

  def kill(self) -> int:
    """Kills the process; returns its exit code."""
    self.process.send_signal(signal.SIGKILL)
    return self.wait()

  @property
  def printed(self) -> str:
    """What it has printed so far."""
    with self._log.open('rb') as file:
      file.seek(self._from)
      return file.read().decode(errors='replace')

  @property
  def one_line(self) -> bool:
    """Whether it ended by saying what was wrong, and not by a traceback."""
    said = re.search(r'^paramspace: .', self.printed, re.MULTILINE)
    return bool(said) and 'Traceback' not in self.printed


def run(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  *options: str,
  before: Callable[[], None] | None = None,
) -> Command:
  """Starts `paramspace run` of the target."""
  call = ['run', config.target, '--scale', config.target_scale, *options]
  log = workdir.with_suffix('.log')
  return Command([*call, f'--workdir={workdir}'], log, before)


def sweep(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  target: pathlib.Path | None = None,
  log: pathlib.Path | None = None,
) -> Command:
  """Starts `paramspace sweep` of the target, or of another."""
  call = ['sweep', target or config.target, '--scale', config.target_scale]
  call += ['--executor=local', f'--jobs={config.jobs}', f'--workdir={workdir}']
  return Command(call, log or workdir.with_suffix('.log'))


def digests(workdir: pathlib.Path) -> dict[str, str]:
  """Returns the digest of the final parameters of every point that is done."""
  found = {}
  for path in workdir.glob('runs/*/result.json'):
    record = records.read(path)
    found[record['id']] = record['result']['digest']
  return found


def metrics(workdir: pathlib.Path) -> dict[str, bytes]:
  """Returns the metrics of every point, to the bit."""
  paths = workdir.glob('runs/*/metrics.jsonl')
  return {p.parent.name: p.read_bytes() for p in paths}
