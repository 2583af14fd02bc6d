import pytest

from experiments import readme


def test_the_tables_of_the_readme_are_those_of_the_results():
  text = readme.README.read_text('utf-8')
  assert readme.render(text) == text, 'Run `python -m experiments.readme`.'


def test_a_readme_without_a_table_is_refused():
  with pytest.raises(ValueError, match='The README has no'):
    readme.render('# paramspace')
