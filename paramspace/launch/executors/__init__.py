"""Executors: how the points of a sweep are run.

An executor is two functions:
  `plan(points, study) -> list[points.Group]` says which points share a program;
  `execute(groups, study, workdir, stop) -> list[failures.Failure]` runs those
  that are not done, writes their results, and returns what failed.
The study is named, not imported: only those that run it in this process do.
"""

import functools
import pathlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace import resolve
from paramspace.launch import errors
from paramspace.launch import failures
from paramspace.launch import points
from paramspace.launch import profiling
from paramspace.launch import study as studies

HERE = ('inline', 'vmapped', 'mapped')
ELSEWHERE = ('local', 'ray', 'slurm')
NAMES = HERE + ELSEWHERE


class Executor(NamedTuple):
  """How points are run.

  Attributes:
    name: One of `NAMES`.
    plan: See above.
    execute: See above.
  """

  name: str
  plan: Callable[[Sequence[points.Point], str], list[points.Group]]
  execute: Callable[..., list[failures.Failure]]


class Options(NamedTuple):
  """What the command line says of the executor.

  Attributes:
    name: One of `NAMES`; None is `vmapped` where the study has a `run_batch`
      and `inline` where it has none.
    jobs: How many points at a time; None lets the executor choose.
    hosts: How many processes run a point together.
    resources: `KEY=VALUE`, what ray and slurm are asked for.
    profile: The steps to trace, `inline` only.
  """

  name: str | None = None
  jobs: int | None = None
  hosts: int = 1
  resources: Sequence[str] = ()
  profile: profiling.Window | None = None


def choose(study: str, options: Options) -> Executor:
  """Returns an executor.

  Args:
    study: The name of the study to run. It is imported for the executors that
      run it in this process.
    options: What is asked for.

  Raises:
    errors.UsageError: If there is no such executor, or the study cannot be run
      by it, or it does not take the options.
  """
  name = options.name
  if name is not None and name not in NAMES:
    raise errors.UsageError(resolve.unknown('executor', name, NAMES))
  _check_options(options)
  if name in ELSEWHERE:
    studies.find(study)
    return _dispatched(options)
  batch = hasattr(studies.load(study), 'run_batch')
  name = name or ('vmapped' if batch else 'inline')
  if name == 'inline':
    from paramspace.launch.executors import inline

    return Executor(name, inline.plan, inline.executor(options.profile))
  if not batch:
    raise errors.UsageError(
      f'{study} has no `run_batch(configs, run)`, which --executor {name} '
      'calls; use --executor inline.'
    )
  from paramspace.launch.executors import batched

  plan = functools.partial(batched.plan, name=name)
  return Executor(name, plan, batched.executor(name))


def _dispatched(options: Options) -> Executor:
  from paramspace.launch.executors import dispatched

  make = functools.partial(_make_engine, options)
  return Executor(options.name, dispatched.plan, dispatched.executor(make))


def _make_engine(options: Options, workdir: pathlib.Path) -> Any:
  """Makes the engine; the packages it needs are imported now."""
  asked = dict(text.split('=', 1) for text in options.resources)
  if options.name == 'local':
    from paramspace.launch.executors import _local

    return _local.Local(options.jobs, options.hosts, asked)
  if options.name == 'ray':
    from paramspace.launch.executors import _ray

    return _ray.Ray(options.jobs, options.hosts, asked)
  from paramspace.launch.executors import _slurm

  return _slurm.Slurm(options.jobs, options.hosts, asked, workdir / 'slurm')


def _check_options(options: Options) -> None:
  for flag, value in (('jobs', options.jobs), ('hosts', options.hosts)):
    if value is not None and value < 1:
      raise errors.UsageError(f'--{flag} is at least 1, got {value}.')
  for text in options.resources:
    if '=' not in text:
      raise errors.UsageError(f'--resource is KEY=VALUE, got {text!r}.')
  asked = {
    '--jobs': options.jobs,
    '--hosts': options.hosts > 1,
    '--resource': options.resources,
  }
  useless = [flag for flag, value in asked.items() if value]
  if useless and options.name not in ELSEWHERE:
    raise errors.UsageError(
      f'{useless[0]} is for --executor {", ".join(ELSEWHERE)}; '
      f'{options.name or "the default"} runs in this process.'
    )
