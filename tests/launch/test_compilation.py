import json
import os
import subprocess
import sys
import time
import zlib

import pytest

from paramspace.launch import compilation

# Prints the folder, and the digits of some numbers and how they were compiled.
PROGRAM = """
import json
import warnings

import jax

warnings.simplefilter('error')
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))

from paramspace.launch import compilation

folder = compilation.enable()


@jax.jit
def f(key):
  x = jax.random.normal(key, (50, 50))
  return jax.numpy.tanh(x @ x).sum(axis=0)


print(json.dumps([
  str(folder),
  [x.hex() for x in f(jax.random.key(0)).tolist()],
  hits.count('/jax/compilation_cache/cache_hits'),
]))
"""


def process(home, **environment):
  """Returns what the program printed."""
  inherited = {k: v for k, v in os.environ.items() if 'COMPILATION' not in k}
  ran = subprocess.run(
    [sys.executable, '-c', PROGRAM],
    env=inherited | {'XDG_CACHE_HOME': str(home)} | environment,
    capture_output=True,
    text=True,
  )
  assert ran.returncode == 0, ran.stderr
  return json.loads(ran.stdout)


def test_a_program_from_the_cache_gives_the_same_bits(tmp_path):
  folder, fresh, hits = process(tmp_path)
  assert not hits and folder.startswith(str(tmp_path / 'paramspace' / 'xla'))
  same_folder, cached, hits = process(tmp_path)
  assert hits and (same_folder, cached) == (folder, fresh)

  # One process was killed while it wrote.
  entries = list((tmp_path / 'paramspace/xla').glob('*/*-cache'))
  for entry in entries:
    os.truncate(entry, entry.stat().st_size // 2)
  _, healed, hits = process(tmp_path)
  assert not hits and healed == fresh
  assert process(tmp_path)[2]

  off = process(tmp_path / 'off', JAX_ENABLE_COMPILATION_CACHE='0')
  assert off == ['None', fresh, 0] and not (tmp_path / 'off').exists()
  own = process(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / 'own'))
  assert own[0] == str(tmp_path / 'own') and list((tmp_path / 'own').iterdir())


def test_a_home_that_is_no_folder_means_no_cache(tmp_path):
  home = tmp_path / 'home'
  home.touch()
  assert process(home)[0] == 'None'


def test_entries_are_looked_at_once(tmp_path):
  whole, torn = tmp_path / 'whole-cache', tmp_path / 'torn-cache'
  whole.write_bytes(zlib.compress(b'program'))
  torn.write_bytes(zlib.compress(b'program')[:-1])
  (tmp_path / 'empty-cache').touch()
  (tmp_path / 'zstandard-cache').write_bytes(b'\x28\xb5\x2f\xfd')
  compilation._remove_torn(tmp_path)
  names = {p.name for p in tmp_path.iterdir()}
  assert names == {'whole-cache', 'zstandard-cache', 'looked'}
  whole.write_bytes(b'\x78')
  long_ago = time.time() - 100
  os.utime(whole, (long_ago, long_ago))
  compilation._remove_torn(tmp_path)
  assert whole.exists()


def test_the_folder_is_of_this_compiler_and_processor(monkeypatch):
  name = compilation._fingerprint()
  assert name == compilation._fingerprint() and len(name) == 16
  monkeypatch.setattr('importlib.metadata.version', lambda name: '0.0')
  assert compilation._fingerprint() != name


@pytest.mark.parametrize('home', ['', None])
def test_without_xdg_it_is_in_the_home_directory(monkeypatch, tmp_path, home):
  monkeypatch.setenv('HOME', str(tmp_path))
  if home is None:
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
  else:
    monkeypatch.setenv('XDG_CACHE_HOME', home)
  assert compilation._home() == tmp_path / '.cache'
