"""What a person sees: lines, tables and progress bars."""

import contextlib
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import rich.console
import rich.live
import rich.progress
import rich.table
import rich.text

_FILE_WIDTH = 200  # Columns of a table that goes to a file or a pipe.

_mute = False


def mute() -> None:
  """Prints nothing from now on: another process of the program prints it."""
  global _mute
  _mute = True


@contextlib.contextmanager
def muted() -> Iterator[None]:
  """Prints nothing, and shows no bars, while it is open."""
  global _mute
  before, _mute = _mute, True
  try:
    yield
  finally:
    _mute = before


def line(text: str) -> None:
  """Prints text as it is: lines are not wrapped, and nothing is markup."""
  if _mute:
    return
  _stdout().print(text, markup=False, highlight=False, soft_wrap=True)


def table(
  rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
  """Prints rows as a table.

  Args:
    rows: The cells, by the names of their columns.
    columns: The names to show, in this order; None is those of the first row.
  """
  if not rows or _mute:
    return
  columns = list(rows[0]) if columns is None else columns
  drawn = rich.table.Table()
  for name in columns:
    numeric = any(isinstance(row.get(name), (int, float)) for row in rows)
    drawn.add_column(name, justify='right' if numeric else 'left')
  for row in rows:
    drawn.add_row(*(rich.text.Text(_cell(row.get(n))) for n in columns))
  _stdout().print(drawn)


def interactive() -> bool:
  """Whether a person sees the progress bars."""
  return sys.stderr.isatty() and not _mute


@contextlib.contextmanager
def status(text: Callable[[], str]) -> Iterator[None]:
  """Shows a line on stderr that is written anew every second.

  Args:
    text: Returns the line. Nothing is shown where no person sees it.
  """
  if not interactive():
    yield
    return
  with rich.live.Live(
    console=rich.console.Console(stderr=True),
    get_renderable=lambda: rich.text.Text(text()),
    refresh_per_second=1,
    redirect_stdout=False,
    redirect_stderr=False,
    transient=True,
  ):
    yield


class Bar:
  """A progress bar that is running."""

  def __init__(self, progress: rich.progress.Progress, task: Any):
    self._progress = progress
    self._task = task

  def advance(self, n: int = 1, **fields: Any) -> None:
    """Moves on by `n` steps and shows the fields at the end of the bar."""
    self._progress.update(self._task, advance=n, note=_note(fields))

  def set(self, completed: int) -> None:
    """Jumps to a step without counting it as speed, after a resume."""
    self._progress.reset(self._task, completed=completed)


@contextlib.contextmanager
def progress(total: int, description: str = '') -> Iterator[Bar]:
  """Shows a bar on stderr with rate and time left, if that is a terminal.

  Args:
    total: Number of steps.
    description: What is going on, in front of the bar.

  Yields:
    The `Bar` to move.
  """
  bar = rich.progress.Progress(
    rich.progress.TextColumn('{task.description}', markup=False),
    rich.progress.BarColumn(),
    rich.progress.MofNCompleteColumn(),
    _RateColumn(),
    rich.progress.TimeRemainingColumn(),
    rich.progress.TextColumn('{task.fields[note]}', markup=False),
    console=rich.console.Console(stderr=True),
    redirect_stdout=False,
    transient=True,
    disable=not interactive(),
  )
  with bar:
    yield Bar(bar, bar.add_task(description, total=total, note=''))


class _RateColumn(rich.progress.ProgressColumn):
  """Steps in a second."""

  def render(self, task: rich.progress.Task) -> rich.text.Text:
    """Returns the text of the column."""
    return rich.text.Text(f'{task.speed:.4g}/s' if task.speed else '')


def _stdout() -> rich.console.Console:
  width = None if sys.stdout.isatty() else _FILE_WIDTH
  return rich.console.Console(width=width)


def _cell(value: Any) -> str:
  if value is None:
    return ''
  return f'{value:.4g}' if isinstance(value, float) else str(value)


def _note(fields: Mapping[str, Any]) -> str:
  return ' '.join(f'{name}={_cell(value)}' for name, value in fields.items())
