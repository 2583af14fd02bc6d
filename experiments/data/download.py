"""Downloading published files once, with a checksum."""

import contextlib
import pathlib
import sys
import tarfile
import zipfile
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import pooch
import requests
import rich.console
import rich.progress

from experiments.data import published


def release(
  source: published.Release, files: Sequence[str], folder: pathlib.Path
) -> None:
  """Downloads some files of a release; what arrives is complete or absent.

  Args:
    source: The release that the files belong to.
    files: Which of its files are wanted.
    folder: The data set's folder.

  Raises:
    OSError: If no source could be reached, or none sends what was published.
  """
  name = pathlib.PurePosixPath(source.urls[0]).name if source.urls else ''
  if not name.endswith(('.tar.gz', '.zip')):
    for file in files:
      urls = [f'{url}/{file}' for url in source.urls]
      _retrieve(urls, source.files[file], folder / file)
    return
  archive = folder / name
  _retrieve(source.urls, source.archive, archive)
  with _members(archive) as read:
    for file in files:
      _write(read(f'{source.inside}/{file}'.lstrip('/')), folder / file)
  archive.unlink()


def _retrieve(urls: Sequence[str], sha256: str, path: pathlib.Path) -> None:
  """Downloads from the first of `urls` that sends the right content."""
  failures = []
  for url in urls:
    try:
      with _Bar(path.name) as bar:
        pooch.retrieve(
          url,
          known_hash=f'sha256:{sha256}' if sha256 else None,
          fname=path.name,
          path=path.parent,
          downloader=pooch.HTTPDownloader(bar, chunk_size=2**16),
        )
      return
    except (requests.RequestException, ValueError) as error:
      failures.append(f'{url}: {error}')
  raise OSError(
    f'Could not download {path.name}. Get it by other means and name the '
    'folder of all data sets in PARAMSPACE_DATA.\n  ' + '\n  '.join(failures)
  )


@contextlib.contextmanager
def _members(path: pathlib.Path) -> Iterator[Callable[[str], bytes]]:
  """Opens an archive; yields what returns a member, by its exact name."""
  try:
    if path.suffix == '.zip':
      with zipfile.ZipFile(path) as archive:
        yield archive.read
    else:
      with tarfile.open(path) as archive:
        yield lambda name: archive.extractfile(name).read()
  except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
    raise OSError(
      f'{path.name} is not the archive that was published: {error}. Get it by '
      'other means and name the folder of all data sets in PARAMSPACE_DATA.'
    ) from None


def _write(content: bytes, path: pathlib.Path) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  part = path.with_name(path.name + '.part')
  part.write_bytes(content)
  part.rename(path)


class _Bar:
  """A rich progress bar behind the tqdm methods that pooch calls.

  Attributes:
    total: The number of bytes to come, set by pooch.
  """

  def __init__(self, description: str):
    self.total = None
    self._bar = rich.progress.Progress(
      rich.progress.TextColumn('{task.description}'),
      rich.progress.BarColumn(),
      rich.progress.DownloadColumn(),
      rich.progress.TransferSpeedColumn(),
      rich.progress.TimeRemainingColumn(),
      console=rich.console.Console(stderr=True),
      disable=not sys.stderr.isatty(),
    )
    self._task = self._bar.add_task(description, total=None)

  def __enter__(self):
    self._bar.start()
    return self

  def __exit__(self, *_):
    self._bar.stop()

  def update(self, count: int) -> None:
    self._bar.update(self._task, advance=count, total=self.total)

  def reset(self) -> None:
    self._bar.reset(self._task, total=self.total)

  def close(self) -> None:
    self._bar.refresh()
