"""Configs, and what was kept of their results."""

import inspect
import json
import pathlib
import types
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from paramspace import resolve
from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch import study as study_modules
from paramspace.launch.report import notes

NOT_RUN_YET = 'not run yet'


class Study(NamedTuple):
  """A config file with what was kept of its results.

  Attributes:
    path: The config file, as a command names it.
    topic: The folder that it is in, in words.
    module: The config file, imported.
    notes: The parts of its docstring.
    kept: The content of its kept result; None if there is none.
  """

  path: pathlib.PurePosixPath
  topic: str
  module: types.ModuleType
  notes: notes.Notes
  kept: dict[str, Any] | None

  @property
  def name(self) -> str:
    """The name of the config, which is that of its kept result."""
    return self.path.stem

  @property
  def scale(self) -> str:
    """The scale at which the kept result was made."""
    kept = self.kept or {}
    settings = kept.get('config') or {}
    found = kept.get('scale') or settings.get('scale')
    return found if found in configs.SCALES else configs.DEFAULT_SCALE

  @property
  def summary(self) -> Mapping[str, Any]:
    """What was measured, by name."""
    return (self.kept or {}).get('summary') or {}

  @property
  def seconds(self) -> float | None:
    """How long all points took; None where it was not recorded."""
    found = (self.kept or {}).get('seconds')
    return found if isinstance(found, (int, float)) else None

  @property
  def settings(self) -> dict[str, Any]:
    """The flattened config at the scale of the kept result."""
    kept = (self.kept or {}).get('config')
    if isinstance(kept, dict):
      return configs.flatten(configs.thaw(_flat(kept)))
    return configs.flatten(configs.make(self.module, self.scale))

  @property
  def command(self) -> str:
    """The command that does it again, in one line."""
    if not hasattr(self.module, 'FIGURE') and self.notes.part('Run'):
      return self.notes.part('Run')
    scale = self.scale
    chosen = '' if scale == configs.DEFAULT_SCALE else f' --scale {scale}'
    return f'paramspace reproduce {self.path}{chosen}'

  @property
  def scales(self) -> bool:
    """Whether the config can be made at another scale."""
    return 'scale' in inspect.signature(self.module.get_config).parameters

  @property
  def reason(self) -> str:
    """Why there is no kept result."""
    return getattr(self.module, 'NOT_RUN', NOT_RUN_YET)

  def figure(self) -> types.ModuleType | None:
    """Imports the module that draws its figure; None without one."""
    name = getattr(self.module, 'FIGURE', None)
    return study_modules.module(name, 'figure') if name else None


def find(folder: pathlib.Path, results: pathlib.Path) -> list[Study]:
  """Returns the studies below a folder of configs, by topic and name.

  Topics of which most studies name no paper, such as benchmarks, come last.

  A config that draws nothing, claims nothing and of which nothing was kept is
  no study, but something that others use.

  Args:
    folder: Of configs, `<topic>/<name>.py`.
    results: Of kept results, `<name>.json`.

  Raises:
    errors.UsageError: If there is no such folder or nothing in it, a kept
      result is damaged or of no config, or two configs have the same name.
  """
  paths = {}
  for path in sorted(_folder(folder, 'configs').rglob('*.py')):
    if path.stem in paths:
      raise errors.UsageError(
        f'{path} and {paths[path.stem]} have the same name, and results are '
        'kept by name; rename one.'
      )
    paths[path.stem] = path
  kept = {
    path.stem: _read(path)
    for path in sorted(_folder(results, 'results').glob('*.json'))
  }
  if not kept:
    raise errors.UsageError(
      f'{results} has no kept results, <config>.json; name another --results.'
    )
  for name in kept:
    if name not in paths:
      near = resolve.did_you_mean(name, paths)
      raise errors.UsageError(
        f'{results / name}.json is of no config under {folder}{near}'
      )
  found = [_study(p, folder, kept.get(name)) for name, p in paths.items()]
  return _sorted([s for s in found if _is_study(s)])


def _study(
  path: pathlib.Path, folder: pathlib.Path, kept: dict[str, Any] | None
) -> Study:
  module = configs.load(path)
  topic = path.parent.relative_to(folder).as_posix()
  topic = ('' if topic == '.' else topic).replace('_', ' ')
  name = pathlib.PurePosixPath(path.as_posix())
  return Study(name, topic, module, notes.of(module), kept)


def _sorted(found: Sequence[Study]) -> list[Study]:
  papers: dict[str, list[bool]] = {}
  for study in found:
    of_paper = any(name.startswith('Paper') for name, _ in study.notes.parts)
    papers.setdefault(study.topic, []).append(of_paper)
  few = {topic for topic, each in papers.items() if sum(each) < len(each) / 2}
  return sorted(found, key=lambda study: (study.topic in few, study.path))


def _is_study(study: Study) -> bool:
  has = lambda name: hasattr(study.module, name)
  return study.kept is not None or has('FIGURE') or has('claim')


def _folder(path: pathlib.Path, what: str) -> pathlib.Path:
  if not path.is_dir():
    raise errors.UsageError(
      f'No folder {str(path)!r}; run it in a clone, or name --{what}.'
    )
  return path


def _read(path: pathlib.Path) -> dict[str, Any]:
  """Returns a kept result, which has to be whole."""
  try:
    found = records.loads(path.read_text(encoding='utf-8'))
  except json.JSONDecodeError as e:
    why = f'line {e.lineno}: {e.msg}'
  except UnicodeDecodeError:
    why = 'it is not text'
  else:
    if isinstance(found, dict):
      return found
    why = f'it holds a {type(found).__name__}'
  raise errors.UsageError(
    f'{path} is damaged ({why}); run `paramspace reproduce` again, or restore '
    'it.'
  )


def _flat(nested: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """Flattens settings that were kept as they are nested."""
  flat = {}
  for key, value in nested.items():
    if isinstance(value, dict) and value:
      flat |= _flat(value, f'{prefix}{key}.')
    else:
      flat[f'{prefix}{key}'] = value
  return flat
