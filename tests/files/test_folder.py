import os
import socket

import pytest

from paramspace.files import folder


@pytest.fixture
def root(tmp_path):
  made = tmp_path / 'root'
  (made / 'a' / 'b').mkdir(parents=True)
  (made / 'empty').mkdir()
  (made / 'a' / 'b' / 'c').touch()
  (made / 'd').touch()
  return made


def test_the_files_of_plain_folders_are_found(root):
  found = [str(p.relative_to(root)) for p in folder.regular_files(root)]
  assert found == ['a/b/c', 'd']


@pytest.mark.parametrize('to', ['d', 'a', '..', '/etc/passwd', 'nowhere', '.'])
def test_a_link_is_refused_wherever_it_leads(root, to):
  (root / 'a' / 'link').symlink_to(to)
  with pytest.raises(folder.Unsafe, match='a/link is a link'):
    folder.regular_files(root)


def test_a_root_that_is_a_link_is_refused(root):
  root.with_name('link').symlink_to(root)
  with pytest.raises(folder.Unsafe, match='link is a link where a plain fo'):
    folder.regular_files(root.with_name('link'))


def test_a_fifo_and_a_socket_are_refused_and_not_opened(root, monkeypatch):
  os.mkfifo(root / 'a' / 'fifo')
  with pytest.raises(folder.Unsafe, match='fifo is a special file'):
    folder.regular_files(root)
  (root / 'a' / 'fifo').unlink()
  monkeypatch.chdir(root)  # The name of a socket has to be short.
  with socket.socket(socket.AF_UNIX) as made:
    made.bind('socket')
  with pytest.raises(folder.Unsafe, match='socket is a special file'):
    folder.regular_files(root)


def test_a_root_that_is_no_folder_is_an_error(root):
  with pytest.raises(folder.Unsafe, match='d is a special file or folder'):
    folder.regular_files(root / 'd')
  with pytest.raises(FileNotFoundError):
    folder.regular_files(root / 'absent')


def test_one_file_is_looked_at_in_the_same_way(root):
  assert folder.regular_file(root / 'd') == root / 'd'
  (root / 'link').symlink_to('d')
  with pytest.raises(folder.Unsafe, match='link is a link where a plain file'):
    folder.regular_file(root / 'link')
  with pytest.raises(folder.Unsafe, match='a is a special file or folder'):
    folder.regular_file(root / 'a')
