"""A sweep: its points, what is missing, and running that."""

import pathlib
import sys
import tempfile
import types
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace.launch import changes
from paramspace.launch import compilation
from paramspace.launch import config as configs
from paramspace.launch import distributed
from paramspace.launch import errors
from paramspace.launch import executors
from paramspace.launch import failures
from paramspace.launch import index
from paramspace.launch import points
from paramspace.launch import preemption
from paramspace.launch import records
from paramspace.launch import run as runs
from paramspace.launch import terminal

_WHERE = ('devices', 'cores', 'jax')  # Of a result: see `meta.where`.
_HOW = ('executor', 'group_size', 'seconds')


class Sweep(NamedTuple):
  """Everything that is decided before the first step.

  Attributes:
    module: The config file.
    scale: One of `config.SCALES`.
    points: All points, in the order of the file's `sweep()`.
    workdir: The directory of the sweep.
    study: The name of the study's module.
    executor: From `executors.choose`.
  """

  module: types.ModuleType
  scale: str
  points: list[points.Point]
  workdir: pathlib.Path
  study: str
  executor: executors.Executor


def prepare(
  path: str,
  scale: str = configs.DEFAULT_SCALE,
  overrides: Sequence[str] = (),
  workdir: str | None = None,
  options: executors.Options | None = None,
  sweeps: Sequence[str] | None = None,
) -> Sweep:
  """Reads a config file and checks all that can be checked before starting.

  Args:
    path: The config file.
    scale: One of `config.SCALES`.
    overrides: Strings such as '--config.seed=1'.
    workdir: Where the results go; None is `default_workdir`.
    options: Which executor; None chooses by the study.
    sweeps: As in `points.expand`.

  Raises:
    errors.UsageError: If anything about the call or the config is wrong.
  """
  module = configs.load(path)
  members = points.expand(module, scale, overrides, sweeps)
  options = options or executors.Options()
  return _sweep(module, path, scale, members, workdir, options)


def prepare_point(
  path: str,
  scale: str = configs.DEFAULT_SCALE,
  overrides: Sequence[str] = (),
  workdir: str | None = None,
  options: executors.Options | None = None,
) -> Sweep:
  """Returns the sweep that is one point: the config itself, run `inline`.

  The arguments are those of `prepare`; the directory is the same, so that a
  point is the same point whether it was run alone or in the config's sweep.
  """
  module = configs.load(path)
  members = [points.point(configs.make(module, scale, overrides))]
  options = (options or executors.Options())._replace(name='inline')
  return _sweep(module, path, scale, members, workdir, options)


def default_workdir(
  path: str, scale: str, shared: str | None = None
) -> pathlib.Path:
  """Returns `runs/<the config's folder>/<its name>/<scale>`.

  Args:
    path: The config file.
    scale: One of `config.SCALES`.
    shared: What the config calls `SHARED`, and then `runs/<shared>/<scale>` is
      returned. Configs that name the same find there what their points have
      been trained from.
  """
  if shared is not None:
    return pathlib.Path('runs', shared, scale)
  file = pathlib.Path(path).resolve()
  return pathlib.Path('runs', file.parent.name, file.stem, scale)


def plan(sweep: Sweep) -> list[points.Group]:
  """Returns the groups of all points, whether they are done or not."""
  return sweep.executor.plan(sweep.points, sweep.study)


def missing(sweep: Sweep) -> list[points.Point]:
  """Returns the points that have no result yet."""
  return [p for p in sweep.points if not runs.done(_folder(sweep, p))]


def outline(sweep: Sweep) -> str:
  """Returns lines that list the groups, their points, and what is missing."""
  todo = {p.id for p in missing(sweep)}
  flat = {p.id: p.flat for p in sweep.points}
  first = flat[sweep.points[0].id]
  swept = [k for k in first if any(f[k] != first[k] for f in flat.values())]
  lines = []
  for group in plan(sweep):
    lines.append(f'group {group.id}, {_count(group.size, "row")}')
    for point in group.points:
      state = 'missing' if point.id in todo else 'done   '
      values = ' '.join(f'{k}={flat[point.id][k]}' for k in swept)
      lines.append(f'  {point.id} {state} {values}')
  total = _count(len(sweep.points), 'point')
  lines.append(f'{len(todo)} of {total} missing in {sweep.workdir}')
  return '\n'.join(lines)


def run(sweep: Sweep, joined: str = 'off') -> list[dict[str, Any]]:
  """Runs what is missing of a sweep.

  Args:
    sweep: From `prepare`; its directory is made if it is not there.
    joined: The value of `--distributed`, read by `distributed.parse`. All the
      processes call this with the same sweep.

  Returns:
    The results of all points, as `results` returns them.

  Raises:
    errors.UsageError: If the directory cannot be written to.
    errors.Preempted: If a signal stopped the sweep; what is done is kept.
    errors.Failed: If a study raised an exception, after all other points; the
      traceback of the first is on stderr, that of each in its `error.log`.
  """
  spec = distributed.parse(joined)
  if spec.mode != 'off' and sweep.executor.name != 'inline':
    raise errors.UsageError(
      '--distributed runs each point on all hosts at once; use --executor '
      f'inline with it, not {sweep.executor.name}.'
    )
  check_writable(sweep.workdir)
  groups, todo = plan(sweep), {p.id for p in missing(sweep)}
  programs = sum(any(p.id in todo for p in g.points) for g in groups)
  total = _count(len(sweep.points), 'point')
  if todo:
    processes = _prepare_process(sweep, spec)
    terminal.line(
      f'{len(todo)} of {total} to run in {_count(programs, "program")}, '
      f'{sweep.executor.name}; results in {sweep.workdir}'
    )
    with preemption.watch(processes) as stop:
      failed = sweep.executor.execute(groups, sweep.study, sweep.workdir, stop)
    if failed:
      print(failed[0].traceback, file=sys.stderr)
      raise errors.Failed(failures.describe(failed))
  else:
    terminal.line(f'{total} done before, none to run; {sweep.workdir}')
  _report_mixture(sweep, groups)
  if distributed.is_main():
    index.rebuild(sweep.workdir)
  return results(sweep)


def results(sweep: Sweep) -> list[dict[str, Any]]:
  """Returns the results that are there, in the order of the points.

  Returns:
    For each point that is done a dict of `id`, `config` (flattened), `status`
    ('done' or 'diverged'), `result` (what the study returned) and `execution`
    (`executor`, `group_size`, and the `seconds` of the program).
  """
  found = []
  for point in sweep.points:
    record = runs.result(_folder(sweep, point))
    if record is not None:
      kept = {name: record[name] for name in ('status', 'result')}
      kept['execution'] = {name: record[name] for name in _HOW}
      found.append({'id': point.id, 'config': point.flat} | kept)
  return found


def write_index(sweep: Sweep) -> None:
  """Writes `sweep.json`: which points and groups belong to the directory.

  Says so if they are others than those of the config's last start.
  """
  check_writable(sweep.workdir)
  name = sweep.module.__file__
  changed = changes.describe(sweep.workdir, sweep.points, name)
  if changed:
    terminal.line(changed)
  index = {
    'config': name,
    'scale': sweep.scale,
    'study': sweep.study,
    'executor': sweep.executor.name,
    'points': [p.id for p in sweep.points],
    'groups': [
      {'id': g.id, 'size': g.size, 'points': [p.id for p in g.points]}
      for g in plan(sweep)
    ],
  }
  records.write(sweep.workdir / 'sweep.json', index)


def check_writable(workdir: pathlib.Path) -> None:
  """Makes the directory.

  Raises:
    errors.UsageError: If that, or writing a file there, is not possible.
  """
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=workdir):
      pass
  except OSError as e:
    raise errors.UsageError(
      f'Cannot write to {workdir}: {e.strerror}; choose another --workdir.'
    ) from None


def _sweep(
  module: types.ModuleType,
  path: str,
  scale: str,
  members: list[points.Point],
  workdir: str | None,
  options: executors.Options,
) -> Sweep:
  names = sorted({p.flat['study'] for p in members})
  if len(names) > 1:
    raise errors.UsageError(
      f'A sweep is of one study, this one has {", ".join(names)}; write a '
      'config for each.'
    )
  shared = getattr(module, 'SHARED', None)
  folder = pathlib.Path(workdir or default_workdir(path, scale, shared))
  chosen = executors.choose(names[0], options)
  return Sweep(module, scale, members, folder, names[0], chosen)


def _prepare_process(sweep: Sweep, spec: distributed.Spec) -> int:
  """Readies this process if it will compile; returns how many it is one of."""
  if sweep.executor.name not in executors.HERE:
    return 1
  compilation.enable()
  return distributed.initialize(spec)


def _report_mixture(sweep: Sweep, groups: Sequence[points.Group]) -> None:
  """Says so if results come from programs of another kind, size or machine."""
  elsewhere = sweep.executor.name in executors.ELSEWHERE
  name = 'inline' if elsewhere else sweep.executor.name
  others, machines = set(), set()
  for point, size in ((p, g.size) for g in groups for p in g.points):
    record = runs.result(_folder(sweep, point)) or {}
    was = record.get('executor'), record.get('group_size')
    if record and was != (name, size):
      others.add(was)
    if record:
      machines.add(tuple(str(record.get(k)) for k in _WHERE))
  for executor, size in sorted(others):
    terminal.line(
      f'Note: some results are of {executor} programs of {size}, where this '
      'sweep has others; their last bits may differ.'
    )
  if len(machines) > 1:
    found = '; '.join(', '.join(machine) for machine in sorted(machines))
    terminal.line(
      f'Note: the results are of unlike processes ({", ".join(_WHERE)}: '
      f'{found}); their last bits may differ.'
    )


def _folder(sweep: Sweep, point: points.Point) -> pathlib.Path:
  return runs.directory(sweep.workdir, point)


def _count(n: int, what: str) -> str:
  return f'{n} {what}' if n == 1 else f'{n} {what}s'
