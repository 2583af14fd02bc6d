"""Imports point down only: base <- trees <- methods <- probes, and so on."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent

SHARED = {'base', 'trees'}
METHODS = {
  'averaging',
  'deltas',
  'matching',
  'merging',
  'reparam',
  'symmetry',
}

# What each part of `paramspace` may import besides itself. '' is
# `paramspace/__init__.py`: empty, or every import would load everything.
MAY_IMPORT = {
  '': set(),
  'base': set(),
  'trees': {'base'},
  'resolve': set(),
  'files': SHARED,
  'sharding': SHARED,
  **{method: SHARED for method in METHODS},
  'matching': SHARED | {'symmetry'},
  'merging': SHARED | {'deltas', 'files', 'sharding'},
  'probes': SHARED | METHODS,
  'launch': SHARED | {'files', 'resolve', 'sharding'},
  '__main__': {'cli'},
}
MAY_IMPORT['cli'] = set(MAY_IMPORT) - {'__main__'}

FORBIDDEN = ('configs', 'experiments', 'flax', 'tests')  # To `paramspace`.


def imports(path, module):
  """Yields (line, full name) of what the file imports, anywhere in it."""
  is_package = path.name == '__init__.py'
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      for alias in node.names:
        yield node.lineno, alias.name
    elif isinstance(node, ast.ImportFrom):
      parts = [node.module] if node.module else []
      if node.level:
        package = module if is_package else module[:-1]
        parts = [*package[: len(package) - node.level + 1], *parts]
      for alias in node.names:
        yield node.lineno, '.'.join([*parts, alias.name])
    elif isinstance(node, ast.Call):
      name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
      constant = node.args and isinstance(node.args[0], ast.Constant)
      if name in ('import_module', '__import__') and constant:
        yield node.lineno, str(node.args[0].value)


def violations(root):
  """Returns what breaks the rules below `root`, one line each."""
  found = []
  paths = [*root.glob('paramspace/**/*.py'), *root.glob('experiments/**/*.py')]
  for path in sorted(paths):
    relative = path.relative_to(root)
    module = relative.with_suffix('').parts
    module = module[:-1] if module[-1] == '__init__' else module
    for line, name in imports(path, module):
      reason = refusal(module, name.split('.'))
      if reason:
        found.append(f'{relative}:{line} imports {name}: {reason}')
  return found


def refusal(module, target):
  """Returns why `module` may not import `target`; empty if it may."""
  if module[0] == 'experiments':
    above = target[0] in ('configs', 'tests')
    return 'studies know no configs or tests' if above else ''
  if target[0] in FORBIDDEN:
    return f'the library knows no {target[0]}'
  part = module[1] if len(module) > 1 else ''
  if part not in MAY_IMPORT:
    return f'{part!r} has no row in MAY_IMPORT'
  if target[0] != 'paramspace':
    return ''
  wanted = target[1] if len(target) > 1 else ''
  if wanted != part and any(name.startswith('_') for name in target[2:]):
    return f'what is private to {wanted} may change'
  if wanted in MAY_IMPORT[part] | {part}:
    return ''
  return f'{part or "the package"} may import {sorted(MAY_IMPORT[part])}'


def test_imports_point_down_only():
  assert not violations(ROOT)


def test_the_graph_has_no_cycles():
  below = {p: set(wanted) for p, wanted in MAY_IMPORT.items()}
  while below:
    leaves = {p for p, wanted in below.items() if not wanted & below.keys()}
    assert leaves, f'A cycle among {sorted(below)}.'
    below = {p: w for p, w in below.items() if p not in leaves}


def write(root, path, text):
  file = root / path
  file.parent.mkdir(parents=True, exist_ok=True)
  file.write_text(text)


@pytest.mark.parametrize(
  ('path', 'text'),
  [
    ('paramspace/base.py', 'from paramspace import trees'),
    ('paramspace/trees.py', 'from paramspace import reparam'),
    ('paramspace/trees.py', 'import paramspace.reparam'),
    ('paramspace/trees.py', 'from . import files'),
    ('paramspace/reparam/_a.py', 'from paramspace import launch'),
    ('paramspace/reparam/_a.py', 'from paramspace.launch.run import Run'),
    ('paramspace/reparam/_a.py', 'from paramspace import averaging'),
    ('paramspace/reparam/_a.py', 'from ..averaging import ema'),
    ('paramspace/reparam/__init__.py', 'from .. import probes'),
    ('paramspace/deltas/_a.py', 'from paramspace.merging import ties'),
    ('paramspace/symmetry/_a.py', 'from paramspace import matching'),
    ('paramspace/merging/_a.py', 'from paramspace import reparam'),
    ('paramspace/files/a.py', 'from paramspace import launch'),
    ('paramspace/launch/run.py', 'from paramspace import reparam'),
    ('paramspace/merging/_a.py', 'from paramspace.deltas import _select'),
    ('paramspace/launch/run.py', 'import experiments.tasks'),
    (
      'paramspace/launch/run.py',
      'import importlib as i\ni.import_module("flax")',
    ),
    ('paramspace/reparam/_a.py', 'def f():\n  from flax import linen'),
    ('paramspace/reparam/_a.py', 'import flax.nnx as nnx'),
    ('paramspace/__init__.py', 'from paramspace import trees'),
    ('paramspace/helpers.py', 'import jax'),
    ('experiments/study.py', 'import configs.study'),
  ],
)
def test_a_bad_import_is_found(tmp_path, path, text):
  write(tmp_path, 'paramspace/good.py', '')
  write(tmp_path, path, text)
  (line,) = violations(tmp_path)
  assert line.startswith(f'{path}:')


@pytest.mark.parametrize(
  ('path', 'text'),
  [
    ('paramspace/reparam/_a.py', 'import jax\nfrom paramspace import trees'),
    ('paramspace/reparam/_a.py', 'from paramspace.reparam import _b'),
    ('paramspace/reparam/_a.py', 'from . import _b\nfrom ._c import d'),
    ('paramspace/merging/_a.py', 'from paramspace import deltas, files'),
    ('paramspace/matching/_a.py', 'from paramspace import symmetry'),
    ('paramspace/probes/_a.py', 'from paramspace import matching, reparam'),
    ('paramspace/cli.py', 'from paramspace.launch import reproduce'),
    ('experiments/study.py', 'import flax\nfrom paramspace import reparam'),
  ],
)
def test_a_good_import_is_not(tmp_path, path, text):
  write(tmp_path, path, text)
  assert not violations(tmp_path)
