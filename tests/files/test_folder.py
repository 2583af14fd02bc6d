import os

import pytest

from paramspace.files import folder


@pytest.fixture
def root(tmp_path):
  made = tmp_path / 'root'
  (made / 'b').mkdir(parents=True)
  (made / 'a').write_text('1')
  (made / 'b' / 'c').write_text('2')
  (tmp_path / 'secret').write_text('3')
  return made


def test_the_files_below_are_listed_in_order(root):
  assert folder.regular_files(root) == [root / 'a', root / 'b' / 'c']
  assert folder.regular_file(root / 'a') == root / 'a'


@pytest.mark.parametrize('place', ['x', 'b/x'])
@pytest.mark.parametrize('to', ['secret', 'root', 'nowhere'])
def test_links_are_refused_wherever_they_lead(root, place, to):
  (root / place).symlink_to(root.parent / to)
  with pytest.raises(folder.Unsafe, match='x is a link'):
    folder.regular_files(root)


def test_a_root_that_is_a_link_is_refused(root):
  link = root.parent / 'link'
  link.symlink_to(root)
  with pytest.raises(folder.Unsafe, match='is a link'):
    folder.regular_files(link)
  with pytest.raises(folder.Unsafe):
    folder.regular_file(link)


def test_a_fifo_is_refused_and_not_opened(root):
  os.mkfifo(root / 'b' / 'pipe')
  with pytest.raises(folder.Unsafe, match='special file'):
    folder.regular_files(root)
  with pytest.raises(folder.Unsafe):
    folder.regular_file(root / 'b' / 'pipe')


def test_what_is_not_there_is_an_os_error(root):
  with pytest.raises(FileNotFoundError):
    folder.regular_files(root / 'nothing')
  with pytest.raises(FileNotFoundError):
    folder.regular_file(root / 'nothing')
