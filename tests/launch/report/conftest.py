"""A small gallery: two configs, one of them with a kept result."""

import json
import pathlib
import sys
import textwrap
from typing import NamedTuple

import pytest

CONFIG = '''
r"""Walks <script>alert("& more")</script>, of ten steps.

Paper: Nobody, 1900, https://arxiv.org/abs/1900.00001, says `two` +- 1.
Run: paramspace reproduce configs/toy_walks/walk.py
Time: 1 min.
Expect: less than the paper has.
"""

import ml_collections

from paramspace.launch import claims

FIGURE = 'gallery_figure'


def get_config(scale='laptop'):
  config = ml_collections.ConfigDict()
  config.study = 'gallery_study'
  config.scale = scale
  config.steps = {'smoke': 1, 'laptop': 10, 'paper': 1_000}[scale]
  return config


def sweep(scale='laptop'):
  for seed in range({'smoke': 1, 'laptop': 3, 'paper': 30}[scale]):
    yield {'seed': seed}


def claim(scale='laptop'):
  assert scale == 'laptop'
  return [
    claims.Claim('walk/mean', 2.0, 1.3, 0.1, 'Nobody, 1900, Table <1>'),
    claims.Claim('walk/end', 0.5, None, 0.1, 'Nobody, 1900', 'as they say'),
    claims.Claim('walk/start', None, 5.0, 0.1, 'measured here'),
  ]
'''

LATER = '''
"""A longer walk."""

import ml_collections

FIGURE = 'gallery_figure'
NOT_RUN = 'it takes a week'


def get_config():
  return ml_collections.ConfigDict({'study': 'gallery_study'})
'''

FIGURE = """
COLUMNS = ('t', 'x')


def draw(rows, axes):
  t = [r['t'] for r in rows]
  axes.plot(t, [r['x'] for r in rows], 'o-', label='a walk')
  axes.plot(t, [r['x'] / 2 for r in rows], ':', label='half of it')
  axes.set_xlabel('time t')
  axes.set_ylabel('place x')
  axes.legend()
"""

KEPT = {
  'figure': 'gallery_figure',
  'summary': {
    'walk/mean': [1.25, 1.2, 1.3],
    'walk/end': 0.51,
    'walk/start': 4.0,
  },
  'rows': [
    {'t': 0, 'x': 1.0, 'of_runs': '0.5 1.5'},
    {'t': 1, 'x': 2.5, 'of_runs': '2 3', 'y': 0.5},
    {'t': 2, 'x': 1.5, 'of_runs': '1 2'},
  ],
  'points': ['0123456789abcdef'],
  'seconds': 754.2,
}


class Gallery(NamedTuple):
  """A folder with configs and kept results."""

  root: pathlib.Path

  @property
  def configs(self):
    return self.root / 'configs'

  @property
  def results(self):
    return self.root / 'results'

  def write(self, path, text):
    target = self.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(textwrap.dedent(text))

  def keep(self, name, content):
    self.write(f'results/{name}.json', json.dumps(content))


def build(root):
  made = Gallery(root)
  made.write('gallery_figure.py', FIGURE)
  made.write('configs/toy_walks/walk.py', CONFIG)
  made.write('configs/toy_walks/longer.py', LATER)
  made.keep('walk', KEPT)
  return made


@pytest.fixture(scope='module')
def patch():
  with pytest.MonkeyPatch.context() as patch:
    yield patch


@pytest.fixture(scope='module')
def shared(tmp_path_factory, patch):
  """A gallery that nobody changes."""
  made = build(tmp_path_factory.mktemp('gallery'))
  patch.syspath_prepend(str(made.root))
  yield made
  sys.modules.pop('gallery_figure', None)


@pytest.fixture
def gallery(tmp_path, monkeypatch):
  """A gallery of one test."""
  made = build(tmp_path)
  monkeypatch.syspath_prepend(str(tmp_path))
  yield made
  sys.modules.pop('gallery_figure', None)
