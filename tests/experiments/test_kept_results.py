"""What is kept of each figure: it says where it is from, and can be drawn."""

import pathlib

import pytest
from matplotlib import figure

from paramspace.launch import config as configs
from paramspace.launch import points
from paramspace.launch import records
from paramspace.launch import study

ROOT = pathlib.Path(__file__).parents[2]
KEPT = ROOT / 'experiments' / 'results'
CONFIGS = {
  path.stem: path
  for path in sorted((ROOT / 'configs').rglob('*.py'))
  if (KEPT / f'{path.stem}.json').exists()
}
SAID = ('scale', 'seconds', 'data', 'config', 'swept')


def loaded(name):
  module = configs.load(CONFIGS[name])
  if not hasattr(module, 'FIGURE'):
    pytest.skip('it has no figure')
  return module, records.read(KEPT / f'{name}.json')


def test_every_kept_figure_has_its_config():
  assert {path.stem for path in KEPT.glob('*.json')} == set(CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_a_kept_figure_is_drawn_from_its_rows(name):
  module, kept = loaded(name)
  assert kept['figure'] == module.FIGURE
  page = figure.Figure()
  study.module(kept['figure'], 'figure').draw(kept['rows'], page.subplots())
  page.draw_without_rendering()


@pytest.mark.parametrize('name', CONFIGS)
def test_every_claim_is_about_something_kept(name):
  module, kept = loaded(name)
  if hasattr(module, 'claim'):
    claims = configs.call(module, 'claim', 'laptop')
    claims = claims if isinstance(claims, list) else [claims]
    assert {claim.quantity for claim in claims} <= kept['summary'].keys()


@pytest.mark.parametrize('name', CONFIGS)
def test_a_kept_figure_says_how_it_was_made(name):
  module, kept = loaded(name)
  if 'scale' not in kept:
    pytest.skip('it was kept before figures said that')
  assert set(SAID) <= kept.keys()
  assert kept['points'] == [p.id for p in points.expand(module)]
  assert kept['scale'] == kept['config']['scale'] == 'laptop'
  assert kept['seconds'] > 0
  assert not kept['config'].keys() & kept['swept'].keys()
