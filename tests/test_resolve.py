import sys

import pytest

from paramspace import reparam
from paramspace import resolve


def test_an_entry_becomes_what_its_factory_returns():
  made = resolve.from_config({'name': 'reparam.hadamard', 'dim': 3})
  assert isinstance(made, type(reparam.hadamard(dim=3)))


def test_an_unknown_factory_names_the_nearest_and_all():
  with pytest.raises(ValueError, match="'hadamrd'; did you mean 'hadamard'"):
    resolve.from_config({'name': 'reparam.hadamrd', 'dim': 3})


def test_a_private_name_is_not_a_factory():
  with pytest.raises(ValueError, match='No factory in reparam'):
    resolve.from_config({'name': 'reparam._hadamard', 'dim': 3})


def test_an_unknown_package_names_the_nearest():
  with pytest.raises(ValueError, match="'reparm'; did you mean 'reparam'"):
    resolve.from_config({'name': 'reparm.hadamard', 'dim': 3})


def test_a_wrong_argument_names_the_nearest():
  with pytest.raises(ValueError, match="'dmi'; did you mean 'dim'"):
    resolve.from_config({'name': 'reparam.hadamard', 'dmi': 3})


def test_a_lacking_argument_is_named():
  with pytest.raises(ValueError, match='hadamard needs dim; got nothing'):
    resolve.from_config({'name': 'reparam.hadamard'})


def test_a_wrong_value_is_the_factorys_own_error():
  with pytest.raises(ValueError, match='dim'):
    resolve.from_config({'name': 'reparam.hadamard', 'dim': 0})


def test_an_entry_without_a_name_says_what_to_add():
  with pytest.raises(ValueError, match='no `name`; add one'):
    resolve.from_config({'dim': 3})


def test_a_name_without_a_package_says_how_to_write_it():
  with pytest.raises(ValueError, match=r"write 'reparam.hadamard'"):
    resolve.from_config({'name': 'hadamard', 'dim': 3})


def test_a_module_below_another_is_found_by_its_full_name():
  assert resolve.module('paramspace.reparam') is reparam


def test_a_module_that_imports_what_is_not_there_keeps_its_own_error(
  tmp_path, monkeypatch
):
  (tmp_path / 'broken_study.py').write_text('import no_such_library\n')
  monkeypatch.syspath_prepend(str(tmp_path))
  with pytest.raises(ModuleNotFoundError, match='no_such_library'):
    resolve.module('broken_study')
  assert 'broken_study' not in sys.modules


def test_a_module_that_is_not_a_package_has_no_modules_in_it():
  with pytest.raises(ValueError, match=r"No module in paramspace.resolve 'x'"):
    resolve.module('paramspace.resolve.x')
