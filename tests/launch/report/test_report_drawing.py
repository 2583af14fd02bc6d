import re
import types

import numpy as np
import pytest
from matplotlib import figure as mpl_figure

from paramspace.launch.report import drawing
from paramspace.launch.report import hover


def module(draw):
  made = types.ModuleType('toy')
  made.draw = lambda rows, axes: draw(axes)
  return made


def values(draw):
  return drawing.draw(module(draw), [], 'toy').values


def only(draw):
  (series,) = values(draw)['series']
  return series


def texts(series):
  return [tuple(point[2:]) for point in series['points']]


def test_values_are_where_matplotlib_draws_their_markers():
  def draw(axes):
    axes.loglog([1, 10, 1000], [0.5, 2, 0.125], 'o')

  drawn = drawing.draw(module(draw), [], 'toy')
  uses = re.findall(r'<use [^>]*?x="(\S+)" y="(\S+)"', drawn.svg)
  points = [point[:2] for point in drawn.values['series'][0]['points']]
  marks = np.array(uses, float)
  for point in points:
    assert np.abs(marks - point).max(axis=1).min() < 0.06
  assert texts(drawn.values['series'][0])[2] == ('1,000', '0.125')


def test_bars_level_strokes_and_scattered_points_have_values():
  def draw(axes):
    axes.bar(['ties', 'dare'], [1.5, 2.5], label='speed')
    axes.hlines(2.0, -0.2, 0.2, color='C1')
    axes.scatter([1], [1.25])

  found = values(draw)['series']
  assert [texts(series) for series in found] == [
    [('ties', '1.50'), ('dare', '2.50')],
    [('ties', '2')],
    [('dare', '1.25')],
  ]
  assert found[0]['name'] == 'speed'


def test_levels_faint_runs_error_bars_and_what_is_outside_have_none():
  def draw(axes):
    axes.axhline(0.5)
    axes.plot([0, 1], [0, 1], alpha=0.3)
    axes.errorbar([0, 1], [0.5, 0.7], xerr=0.1, yerr=0.1, label='mean')
    axes.set_xlim(-0.5, 0.5)

  series = only(draw)
  assert texts(series) == [('0', '0.500')]


def test_a_line_that_the_legend_leaves_out_has_the_name_of_its_colour():
  def draw(axes):
    axes.plot([0, 1], [0, 1], color='C2', label='loss')
    axes.plot([0, 1], [1, 0], ':', color='C2')

  names = [series['name'] for series in values(draw)['series']]
  assert names == ['loss', 'loss (dotted)']


def test_values_that_are_not_finite_are_left_out():
  series = only(lambda axes: axes.plot([0, 1, 2], [1, np.nan, 3]))
  assert texts(series) == [('0', '1'), ('2', '3')]


def test_colours_of_the_style_follow_the_page_and_others_stay():
  def draw(axes):
    axes.plot([0, 1], [0, 1], color='C1')
    axes.plot([0, 1], [1, 0], color='0.3')
    axes.plot([0, 1], [0, 0], color='0.8')
    axes.plot([0, 1], [1, 1], color='#123456')

  svg = drawing.draw(module(draw), [], 'toy').svg
  assert {'var(--c1)', 'var(--grey)', 'var(--pale)', 'var(--grid)'} <= set(
    re.findall(r'var\(--\w+\)', svg)
  )
  assert set(re.findall(r'#[0-9a-f]{6}', svg)) == {'#123456'}


def test_text_stays_text_and_is_escaped():
  svg = drawing.draw(
    module(lambda axes: axes.set_title('a < b')), [], 'toy'
  ).svg
  assert '>a &lt; b</text>' in svg
  assert 'DejaVu' not in svg


def test_ids_are_those_that_are_used_and_have_the_name_in_front():
  svg = drawing.draw(
    module(lambda axes: axes.plot([0, 1], [0, 1], 'o')), [], 'toy'
  ).svg
  ids = set(re.findall(r' id="([^"]*)"', svg))
  used = set(re.findall(r'(?:url\(#|href="#)([^")]*)', svg))
  assert ids == used
  assert all(name.startswith('toy-') for name in ids)


def test_the_drawing_says_what_it_shows():
  def draw(axes):
    axes.plot([0, 1], [0, 1], label='ours')
    axes.set_title('MNIST')
    axes.set_xlabel('steps')
    axes.set_ylabel('loss')

  drawn = drawing.draw(module(draw), [], 'toy')
  assert drawn.about == 'MNIST. loss against steps: ours.'
  assert 'role="img" aria-label="MNIST. loss against steps: ours."' in drawn.svg


@pytest.mark.parametrize('colorbar', [False, True])
def test_a_bar_of_colours_is_no_panel(colorbar):
  figure = mpl_figure.Figure()
  axes = figure.subplots()
  drawn = axes.contourf([[0.0, 1.0], [2.0, 3.0]])
  if colorbar:
    figure.colorbar(drawn)
  figure.draw_without_rendering()
  assert len(hover.values(figure)['panels']) == 1
