"""Compiled programs, kept between processes by JAX's persistent cache."""

import hashlib
import importlib.metadata
import os
import pathlib
import platform
import zlib

_ZLIB = b'\x78'  # The first byte of what zlib compressed.


def enable() -> pathlib.Path | None:
  """Lets this process take programs from the cache, and add to it.

  `$JAX_COMPILATION_CACHE_DIR` says where it is, and without that it is in
  `$XDG_CACHE_HOME/paramspace/xla` or `~/.cache/paramspace/xla`.
  `$JAX_ENABLE_COMPILATION_CACHE=0` is to use none.

  Returns:
    The folder; None if there is none, because that was asked for or because it
    cannot be written to.
  """
  import jax

  if not jax.config.jax_enable_compilation_cache:
    return None
  if not jax.config.jax_compilation_cache_dir:
    folder = _home() / 'paramspace' / 'xla' / _fingerprint()
    try:
      folder.mkdir(parents=True, exist_ok=True)
      _remove_torn(folder)
    except OSError:
      return None
    jax.config.update('jax_compilation_cache_dir', str(folder))
  if 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS' not in os.environ:
    # The start of a small study is a hundred programs of some milliseconds.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  return pathlib.Path(jax.config.jax_compilation_cache_dir)


def _home() -> pathlib.Path:
  named = os.environ.get('XDG_CACHE_HOME')
  return pathlib.Path(named) if named else pathlib.Path.home() / '.cache'


def _fingerprint() -> str:
  """Names the compiler and the processor.

  Code for the CPU uses the instructions of the machine that compiled it; on
  another one that mounts the same home it may end with SIGILL.
  """
  about = [importlib.metadata.version('jaxlib'), platform.machine()]
  try:
    text = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8')
    names = ('model name', 'flags', 'Features', 'CPU part')
    lines = text.partition('\n\n')[0].splitlines()
    about += [line for line in lines if line.startswith(names)]
  except OSError:
    about.append(platform.processor())
  return hashlib.sha256('\n'.join(about).encode()).hexdigest()[:16]


def _remove_torn(folder: pathlib.Path) -> None:
  """Removes the entries that a killed process has left unfinished.

  JAX finds that they are torn, warns, and compiles, but never replaces them; so
  each later start would warn. Only the entries since the last look are read.
  """
  looked = folder / 'looked'
  since = looked.stat().st_mtime if looked.exists() else 0
  looked.touch()
  for entry in folder.glob('*-cache'):
    try:
      if entry.stat().st_mtime >= since and not _whole(entry.read_bytes()):
        entry.unlink()
    except FileNotFoundError:  # Another process has removed it.
      continue


def _whole(content: bytes) -> bool:
  if not content.startswith(_ZLIB):
    return bool(content)  # Compressed by zstandard, which JAX prefers.
  stream = zlib.decompressobj()
  try:
    stream.decompress(content)
  except zlib.error:
    return False
  return stream.eof
