import os
import pathlib

import pytest

from experiments.data import files
from experiments.data import sets


@pytest.fixture
def real_data():
  """Loads a published data set, or skips; in CI, where it must be, fails."""

  def load(name):
    root = pathlib.Path(os.environ.get(files.VARIABLE) or files.cache())
    if (root / name).is_dir():
      return sets.load(name)
    reason = f'needs {name} in {root}; set {files.VARIABLE}'
    if os.environ.get('CI') == 'true':
      pytest.fail(reason)
    pytest.skip(reason)

  return load
