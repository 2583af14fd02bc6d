"""What a process of one command asks of Python and of the C library."""

import gc
import subprocess
import sys

import pytest

from paramspace.cli import _process

REUSED = """\
import numpy as np
from paramspace.cli import _process
_process.keep_memory()
before = np.ones(40 << 20, np.uint8).ctypes.data
print(before == np.ones(40 << 20, np.uint8).ctypes.data)
"""


def test_garbage_is_looked_for_again_after_imports():
  with _process.importing():
    assert not gc.isenabled()
  assert gc.isenabled()


def test_an_import_that_fails_leaves_the_collector_on():
  with pytest.raises(ImportError), _process.importing():
    raise ImportError
  assert gc.isenabled()


def test_a_block_that_was_freed_is_used_again():
  done = subprocess.run(
    [sys.executable, '-c', REUSED], capture_output=True, text=True, check=True
  )
  assert done.stdout == 'True\n'


def test_a_command_ends_with_its_code():
  call = [sys.executable, '-m', 'paramspace', 'merge', 'none.yaml', 'out']
  done = subprocess.run(call, capture_output=True, text=True)
  assert done.returncode == 2, done.stderr
  assert done.stderr.count('\n') == 1
