"""Adaptive search: Optuna proposes points, the sweep machinery runs them.

A config file that can be searched defines `search(trial)`, which returns a dict
of overrides made with the trial's `suggest_...` methods, and what to look for:

  OBJECTIVE = ('maximize', 'test_accuracy')

  def search(trial):
    return {'optimizer.learning_rate': trial.suggest_float('rate', 1e-4, 1,
            log=True)}

Each trial is an ordinary point: its id, its directory and its result are those
of a sweep with the same overrides, and a point that is done is not run again.
"""

import importlib.util
import math
import pathlib
import types
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import ml_collections

from paramspace import resolve
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import executors
from paramspace.launch import points
from paramspace.launch import run as runs
from paramspace.launch import sweep as sweeps
from paramspace.launch import terminal

JOURNAL = 'search.journal'
DIRECTIONS = ('maximize', 'minimize')

_CHANGES = 'changes'  # The overrides, kept with a trial.


class Trial(NamedTuple):
  """A trial that is over.

  Attributes:
    number: Its number, from 0.
    value: What it reached; None if it diverged or failed.
    changes: Its overrides.
    id: Its point.
  """

  number: int
  value: float | None
  changes: Mapping[str, Any]
  id: str


class Search:
  """A search in one directory.

  Attributes:
    workdir: The directory; of the trials in `search.journal`, too.
    direction: One of `DIRECTIONS`.
    quantity: The key of a study's result that is the objective.
  """

  def __init__(
    self,
    path: str,
    scale: str = configs.DEFAULT_SCALE,
    overrides: Sequence[str] = (),
    workdir: str | None = None,
    jobs: int | None = None,
  ):
    """Opens the search; begins it if it is not there.

    Args:
      path: The config file.
      scale: One of `config.SCALES`.
      overrides: Strings such as '--config.seed=1', for every trial. Trials of
        another config are another search, in the same directory.
      workdir: None is `search` in the config's `sweep.default_workdir`.
      jobs: How many points at a time, each in a process of its own; None is
        one, in this process.

    Raises:
      errors.UsageError: If anything about the call or the config is wrong, or
        Optuna is missing.
    """
    if importlib.util.find_spec('optuna') is None:
      raise errors.UsageError(
        "A search needs Optuna; pip install 'paramspace[search]'."
      )
    default = sweeps.default_workdir(path, scale) / 'search'
    one = sweeps.prepare_point(path, scale, overrides, workdir or str(default))
    if jobs is not None:
      options = executors.Options('local', jobs)
      one = one._replace(executor=executors.choose(one.study, options))
    self.workdir = one.workdir
    self.direction, self.quantity = _objective(one.module)
    self._one, self._jobs = one, jobs or 1
    (base,) = one.points
    self._base: ml_collections.ConfigDict = base.config
    sweeps.check_writable(self.workdir)
    self._study = _open(
      self.workdir / JOURNAL, f'{base.id} {self.quantity}', self.direction
    )

  def run(self, trials: int) -> list[Trial]:
    """Runs trials until so many are over, those of earlier starts included.

    Args:
      trials: How many.

    Returns:
      Those that are over, the best first.

    Raises:
      errors.Preempted: If a signal stopped a trial. The next start runs the
        trials that are not over, with the parameters that they had.
      errors.Failed: At the end, if trials failed. They are over.
      errors.UsageError: If `search` raises, or a result lacks the objective.
    """
    failed = []
    unfinished = self._unfinished()
    while True:
      batch, unfinished = unfinished[: self._jobs], unfinished[self._jobs :]
      left = trials - len(self._over()) - len(batch)
      batch += [self._ask() for _ in range(min(left, self._room(batch)))]
      if not batch:
        break
      failed += self._run(batch)
    if failed:
      named = ', '.join(map(str, failed))
      raise errors.Failed(
        f'Trials {named} failed; see `status {self.workdir}`.'
      )
    return self.ranked()

  def ranked(self) -> list[Trial]:
    """Returns the trials that are over, the best first."""
    found = [
      Trial(t.number, t.value, t.user_attrs[_CHANGES], self._point(t).id)
      for t in self._over()
    ]
    sign = -1 if self.direction == 'maximize' else 1
    none = float('inf')
    key = lambda t: none if t.value is None else sign * t.value
    return sorted(found, key=key)

  def _room(self, batch: Sequence[Any]) -> int:
    """How many trials to ask for, beside those of the batch.

    Trials are asked for `jobs` at a time, and those of a round know only the
    results of the rounds before, however often the search was interrupted.
    """
    asked = len(self._study.get_trials(deepcopy=False)) % self._jobs
    return 0 if batch and not asked else self._jobs - asked

  def _ask(self) -> Any:
    """Returns a new trial, with its overrides."""
    import optuna

    # The sampler of a trial is a function of the seed and of the number alone,
    # so a search that was interrupted goes on as it would have.
    number = len(self._study.get_trials(deepcopy=False))
    seed = int(self._base.get('seed', 0)) * 1_000_003 + number
    self._study.sampler = optuna.samplers.TPESampler(seed=seed % 2**32)
    trial = self._study.ask()
    module = self._one.module
    try:
      found = module.search(trial)
      configs.override(self._base, found)
    except errors.UsageError:
      raise
    except Exception as e:
      raise errors.UsageError(
        f'`search(trial)` in {module.__file__}: {type(e).__name__}: {e}'
      ) from e
    trial.set_user_attr(_CHANGES, dict(found))
    return self._frozen(trial.number)

  def _run(self, batch: Sequence[Any]) -> list[int]:
    """Runs trials, tells what they reached, and returns those that failed."""
    import optuna

    members = {t.number: self._point(t) for t in batch}
    unique = list({p.id: p for p in members.values()}.values())
    try:
      sweeps.run(self._one._replace(points=unique))
    except errors.Failed as e:
      terminal.line(str(e))
    failed = []
    for number, point in members.items():
      record = runs.result(runs.directory(self.workdir, point))
      told = {'state': optuna.trial.TrialState.FAIL}
      if record is None:
        failed.append(number)
      elif math.isfinite(value := self._value(record)):
        told = {'values': value}
      else:  # A value worse than any, so that the sampler avoids it.
        told = {'state': optuna.trial.TrialState.PRUNED}
      # Another process may have told it already.
      self._study.tell(number, **told, skip_if_finished=True)
    return failed

  def _value(self, record: Mapping[str, Any]) -> float:
    """Returns what a point reached; NaN if it diverged."""
    if record['status'] == 'diverged':
      return math.nan
    result = record['result']
    value = result.get(self.quantity)
    if not isinstance(value, (int, float)):
      numbers = [k for k, v in result.items() if isinstance(v, (int, float))]
      raise errors.UsageError(
        resolve.unknown('objective in the result', self.quantity, numbers)
      )
    return value

  def _point(self, trial: Any) -> points.Point:
    changes = trial.user_attrs[_CHANGES]
    return points.point(configs.override(self._base, changes))

  def _frozen(self, number: int) -> Any:
    return self._study.get_trials(deepcopy=False)[number]

  def _unfinished(self) -> list[Any]:
    return self._where(lambda state: not state.is_finished())

  def _over(self) -> list[Any]:
    return self._where(lambda state: state.is_finished())

  def _where(self, test: Callable[[Any], bool]) -> list[Any]:
    """The trials with overrides; a process killed in `search` left others."""
    trials = self._study.get_trials(deepcopy=False)
    return [t for t in trials if _CHANGES in t.user_attrs and test(t.state)]


def _objective(module: types.ModuleType) -> tuple[str, str]:
  """Returns a config file's objective, checked."""
  if not hasattr(module, 'search'):
    raise errors.UsageError(
      f'{module.__file__} does not define `search(trial)`, which returns '
      'overrides.'
    )
  found = getattr(module, 'OBJECTIVE', None)
  if (
    not isinstance(found, tuple)
    or len(found) != 2
    or found[0] not in DIRECTIONS
  ):
    raise errors.UsageError(
      f"{module.__file__} needs an OBJECTIVE such as ('maximize', "
      f"'test_accuracy'), got {found!r}."
    )
  return found


def _open(journal: pathlib.Path, name: str, direction: str) -> Any:
  """Opens a study of Optuna in an append-only file."""
  import optuna
  from optuna.storages import journal as journals

  optuna.logging.set_verbosity(optuna.logging.WARNING)
  backend = journals.JournalFileBackend(str(journal))
  return optuna.create_study(
    storage=optuna.storages.JournalStorage(backend),
    study_name=name,
    direction=direction,
    load_if_exists=True,
  )
