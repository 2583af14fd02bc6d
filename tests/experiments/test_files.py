import functools
import hashlib
import http.server
import tarfile
import threading

import pytest

from experiments.data import download
from experiments.data import files
from experiments.data import published

CONTENT = b'forty-two digits'
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = 'http://127.0.0.1:9'  # The discard port: nothing listens there.


class Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *_):
    pass


@pytest.fixture
def publisher(tmp_path):
  """A folder, and the address at which a publisher serves it."""
  folder = tmp_path / 'publisher'
  folder.mkdir()
  handler = functools.partial(Quiet, directory=folder)
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    thread.join()


@pytest.fixture
def releases(monkeypatch, tmp_path):
  """The table of releases, emptied, with an empty cache and no given data."""
  monkeypatch.delenv(files.VARIABLE, raising=False)
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.setattr(published, 'RELEASES', {})
  return published.RELEASES


def test_given_files_are_found(releases, monkeypatch, tmp_path):
  releases['tiny'] = published.Release({'a.gz': SHA256}, ())
  monkeypatch.setenv(files.VARIABLE, str(tmp_path))
  (tmp_path / 'tiny').mkdir()
  (tmp_path / 'tiny' / 'a.gz').write_bytes(CONTENT)
  assert files.fetch('tiny') == {'a.gz': tmp_path / 'tiny' / 'a.gz'}


def test_a_missing_given_file_is_named_with_the_way_out(
  releases, monkeypatch, tmp_path
):
  releases['tiny'] = published.Release({'a.gz': SHA256, 'b.gz': SHA256}, ())
  monkeypatch.setenv(files.VARIABLE, str(tmp_path))
  message = 'tiny/a.gz does not exist; PARAMSPACE_DATA=.*2 of 2.*unset'
  with pytest.raises(FileNotFoundError, match=message):
    files.fetch('tiny')


def test_a_damaged_given_file_is_never_used(releases, monkeypatch, tmp_path):
  releases['tiny'] = published.Release({'a.gz': SHA256}, ())
  monkeypatch.setenv(files.VARIABLE, str(tmp_path))
  (tmp_path / 'tiny').mkdir()
  (tmp_path / 'tiny' / 'a.gz').write_bytes(CONTENT[:-1])
  message = rf'tiny/a.gz is damaged.*\(15 bytes\), the published one {SHA256}'
  with pytest.raises(ValueError, match=message):
    files.fetch('tiny')


def test_an_unknown_name_gives_the_nearest():
  with pytest.raises(ValueError, match="'mnst'; did you mean 'mnist'"):
    files.fetch('mnst')


def test_files_are_downloaded_once(releases, publisher):
  folder, url = publisher
  (folder / 'a.gz').write_bytes(CONTENT)
  releases['tiny'] = published.Release({'a.gz': SHA256}, (url,))
  first = files.fetch('tiny')
  assert first['a.gz'].read_bytes() == CONTENT
  (folder / 'a.gz').unlink()
  assert files.fetch('tiny') == first


def test_a_second_mirror_is_asked_when_the_first_is_silent(releases, publisher):
  folder, url = publisher
  (folder / 'a.gz').write_bytes(CONTENT)
  releases['tiny'] = published.Release({'a.gz': SHA256}, (NOWHERE, url))
  assert files.fetch('tiny')['a.gz'].read_bytes() == CONTENT


def test_members_are_taken_out_of_an_archive(releases, publisher, tmp_path):
  folder, url = publisher
  (tmp_path / 'a.bin').write_bytes(CONTENT)
  with tarfile.open(folder / 'set.tar.gz', 'w:gz') as archive:
    archive.add(tmp_path / 'a.bin', 'batches/a.bin')
    archive.add(tmp_path / 'a.bin', '../outside.bin')
  sha256 = hashlib.sha256((folder / 'set.tar.gz').read_bytes()).hexdigest()
  releases['tiny'] = published.Release(
    {'batches/a.bin': SHA256}, (f'{url}/set.tar.gz',), sha256
  )
  assert files.fetch('tiny')['batches/a.bin'].read_bytes() == CONTENT
  kept = [p.name for p in files.cache().rglob('*') if p.is_file()]
  assert kept == ['a.bin']


def test_what_was_not_published_is_not_kept(releases, publisher):
  folder, url = publisher
  (folder / 'a.gz').write_bytes(b'<html>Please log in</html>')
  releases['tiny'] = published.Release({'a.gz': SHA256}, (url,))
  with pytest.raises(OSError, match=r'a\.gz.*\n.*does not match'):
    files.fetch('tiny')
  assert not [p for p in files.cache().rglob('*') if p.is_file()]


def test_no_connection_names_the_sources_and_the_way_out(releases):
  releases['tiny'] = published.Release({'a.gz': SHA256}, (NOWHERE,))
  message = rf'Could not download a.gz.*PARAMSPACE_DATA(.|\n)*{NOWHERE}/a.gz'
  with pytest.raises(OSError, match=message):
    files.fetch('tiny')


def test_no_bar_is_drawn_where_output_is_not_a_terminal(
  releases, publisher, capsys
):
  folder, url = publisher
  (folder / 'a.gz').write_bytes(CONTENT)
  source = published.Release({'a.gz': SHA256}, (url,))
  download.release(source, ['a.gz'], files.cache())
  out, err = capsys.readouterr()
  assert not out
  assert '━' not in err
