import re

import pytest

from experiments import readme
from paramspace.launch import config as configs


def text():
  return readme.README.read_text('utf-8')


def test_the_results_of_the_readme_are_those_that_are_kept():
  assert readme.render(text()) == text(), 'Run `python -m experiments.readme`.'


def test_a_readme_without_a_part_is_refused():
  with pytest.raises(ValueError, match='The README has no'):
    readme.render('# paramspace')


def test_the_readme_begins_with_its_two_commands_and_is_short():
  lines = text().splitlines()
  run, test = re.findall(r'^```\n(.*)\n```$', text(), re.MULTILINE)[:2]
  assert run.startswith('pip install -e . && paramspace reproduce ')
  assert test == "pip install -e '.[test]' && pytest"
  assert lines.index(test) < 25
  assert len(lines) <= 280


def test_what_the_readme_refers_to_is_there():
  root = readme.README.parent
  paths = re.findall(r'\]\(([^)#:]+)\)|(configs/[\w/]+\.py)', text())
  paths = {path for pair in paths for path in pair if path}
  assert len(paths) > 10
  assert [path for path in sorted(paths) if not (root / path).is_file()] == []


def test_every_command_of_a_claim_names_a_config_with_a_figure():
  commands = re.findall(r'`paramspace reproduce (\S+)`\]\((\S+)\)', text())
  assert len(commands) > 10
  for named, linked in commands:
    assert named == linked
    assert hasattr(configs.load(readme.README.parent / named), 'FIGURE')
