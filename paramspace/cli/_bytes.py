"""Numbers of bytes: as a person writes and reads them, and on their way."""

import contextlib
import re
from collections.abc import Callable
from collections.abc import Iterator

import rich.console
import rich.progress

_POWERS = {'': 0, 'k': 1, 'm': 2, 'g': 3, 't': 4}
_COUNT = re.compile(r'(\d+\.?\d*)\s*([kmgt]?)(i?)b?', re.IGNORECASE)


def count(text: str) -> int:
  """Returns the number of bytes that a text says.

  Raises:
    ValueError: If it says none.

  >>> [count(text) for text in ('300', '1.5 GB', '4GiB')]
  [300, 1500000000, 4294967296]
  """
  found = _COUNT.fullmatch(text.strip())
  if found is None:
    raise ValueError(f'{text!r} is no number of bytes, such as 4GB.')
  number, unit, binary = found.groups()
  return int(
    float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()]
  )


def text(number: float) -> str:
  """Returns a number of bytes in three digits.

  >>> [text(n) for n in (12, 439_404_544, 1.2345e12)]
  ['12 B', '439 MB', '1.23 TB']
  """
  for unit in ('B', 'kB', 'MB', 'GB'):
    if number < 999.5:
      return f'{number:.3g} {unit}'
    number /= 1000
  return f'{number:.3g} TB'


@contextlib.contextmanager
def progress(
  total: int, description: str, shown: bool
) -> Iterator[Callable[[int], None]]:
  """Shows a bar on stderr, with the rate and the time that is left.

  Args:
    total: How many bytes there are.
    description: What is going on, in front of the bar.
    shown: Whether anyone sees it.

  Yields:
    A function that is told of more bytes.
  """
  bar = rich.progress.Progress(
    rich.progress.TextColumn('{task.description}', markup=False),
    rich.progress.BarColumn(),
    rich.progress.DownloadColumn(),
    rich.progress.TransferSpeedColumn(),
    rich.progress.TimeRemainingColumn(),
    console=rich.console.Console(stderr=True),
    redirect_stdout=False,
    transient=True,
    disable=not shown,
  )
  with bar:
    task = bar.add_task(description, total=total)
    yield lambda number: bar.advance(task, number)
