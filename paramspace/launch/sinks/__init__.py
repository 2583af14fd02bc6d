"""Where metrics go besides `metrics.jsonl`, as `config.execution.sinks` says.

A sink is 'tensorboard', 'wandb', or the dotted path of a lab's own factory:
`(folder, config, meta) -> writer`. It is given the run's directory, its
flattened config, and its `meta.json` with `from_step`: earlier starts wrote the
steps before this one, and perhaps later ones, which are written again. A writer
has these methods of CLU's `MetricWriter`: `write_scalars(step, scalars)`,
`write_texts(step, texts)`, `write_hparams(hparams)`, `flush()`, `close()`.

`metrics.jsonl` is what is read back, the sinks are for looking at: one that
fails is left out, and training goes on.
"""

import contextlib
import importlib.util
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from paramspace import resolve
from paramspace.launch import errors
from paramspace.launch import terminal

# The package that a sink of ours needs, which is an extra of the same name.
_PACKAGES = {'tensorboard': 'tensorboardX', 'wandb': 'wandb'}

Factory = Callable[[pathlib.Path, Mapping[str, Any], Mapping[str, Any]], Any]


class Sinks:
  """The open writers of one run."""

  def __init__(self, names: Sequence[str] = ()):
    """Finds the factories, and opens nothing.

    Args:
      names: From `config.execution.sinks`.

    Raises:
      errors.UsageError: If there is no such sink, or its package is missing.
    """
    if isinstance(names, str):
      raise errors.UsageError(
        f'`config.execution.sinks` is a tuple of names; write ({names!r},).'
      )
    self._factories = {name: _factory(name) for name in names}
    self._writers: dict[str, Any] = {}

  @property
  def waiting(self) -> bool:
    """Whether there are writers to open."""
    return bool(self._factories)

  def open(
    self,
    folder: pathlib.Path,
    config: Mapping[str, Any],
    meta: Mapping[str, Any],
  ) -> None:
    """Opens the writers that wait, and hands them the config."""
    factories, self._factories = self._factories, {}
    for name, factory in factories.items():
      try:
        self._writers[name] = factory(folder, config, meta)
      except Exception as e:
        _drop(name, e)
    self._each('write_hparams', config)

  def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows of numbers, each with its 'step', and flushes."""
    for row in rows:
      scalars = {k: v for k, v in row.items() if k != 'step'}
      self._each('write_scalars', row['step'], scalars)
    self._each('flush')

  def close(self) -> None:
    """Closes the writers that are open; doing it again does nothing."""
    self._each('close')
    self._writers = {}

  def _each(self, method: str, *arguments: Any) -> None:
    for name, writer in list(self._writers.items()):
      try:
        getattr(writer, method)(*arguments)
      except Exception as e:
        _drop(name, e)
        del self._writers[name]
        with contextlib.suppress(Exception):
          writer.close()


def _factory(name: str) -> Factory:
  package = _PACKAGES.get(name)
  if package:
    if importlib.util.find_spec(package) is None:
      raise errors.UsageError(
        f'The sink {name!r} needs the package {package}; '
        f"pip install 'paramspace[{name}]'."
      )
    name = f'{__name__}._{name}.Writer'
  module, _, attribute = name.rpartition('.')
  try:
    return getattr(resolve.module(module), attribute)
  except (AttributeError, ValueError) as e:
    raise errors.UsageError(
      f'No sink {name!r} ({e}). Have: {", ".join(_PACKAGES)}, and factories by '
      "their dotted paths, such as 'my_lab.sinks.make'."
    ) from None


def _drop(name: str, error: Exception) -> None:
  first = next(iter(str(error).splitlines()), '')
  terminal.line(
    f'The sink {name} failed and is left out: {type(error).__name__}: {first}'
  )
