"""The commands that are measured, on one page."""

import importlib.metadata
import importlib.util
import json
import pathlib
import sys
from typing import NamedTuple

from experiments.benchmarks.merge_files import checkpoints

HINT = (
  "mergekit is not installed: install PyTorch, then pip install 'paramspace["
  "benchmark]'"
)


class Command(NamedTuple):
  """A process to start.

  Attributes:
    arguments: What is called, in the folder of the page.
    out: What it writes, and what is removed before it is started again.
    stdout: Whether `out` is what it prints.
  """

  arguments: list[str]
  out: pathlib.Path
  stdout: bool = False


def peer_version() -> str | None:
  """Returns which mergekit there is, if any."""
  if importlib.util.find_spec('mergekit') is None:
    return None
  return f'mergekit {importlib.metadata.version("mergekit")}'


def programs(page: pathlib.Path, theirs: bool) -> dict[str, Command]:
  """Returns what merges a page, and what no merge can do without.

  Args:
    page: The recipe file.
    theirs: Whether mergekit can read it.

  Returns:
    By name: 'ours'; 'peer', where there is one; 'start', ours up to the first
    value that it would read; and 'cat', which copies all inputs to one file.
  """
  here, python = page.parent, sys.executable
  out = lambda name: here / f'{page.stem}.{name}'
  ours = [python, '-m', 'paramspace', 'merge', page.name]
  found = {
    'ours': Command([*ours, out('ours').name], out('ours')),
    'start': Command([*ours, out('none').name, '--dry-run'], out('none')),
    'cat': Command(['cat', *_inputs(page)], out('cat'), stdout=True),
  }
  if theirs and peer_version():
    script = 'from mergekit.scripts import run_yaml; run_yaml.main()'
    call = [python, '-c', script, page.name, out('peer').name]
    call += ['--no-write-model-card', '--no-copy-tokenizer', '--quiet']
    found['peer'] = Command(call, out('peer'))
  return found


def _inputs(page: pathlib.Path) -> list[str]:
  """Returns the shards of the base and of all models of a page."""
  models = json.loads(page.read_text())['models']
  ours = isinstance(models, dict)
  names = models.values() if ours else [entry['model'] for entry in models]
  folders = [page.parent / checkpoints.BASE, *map(pathlib.Path, names)]
  return [str(p) for f in folders for p in sorted(f.glob('*.safetensors'))]
