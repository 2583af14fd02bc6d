"""Files as trees that stay on disk, see `disk.Tree`.

`lazy.open(path)` takes a safetensors file, a directory of Hugging Face with or
without `model.safetensors.index.json`, an `.npz`, or a checkpoint of orbax:

  tree = lazy.open('model/')
  tree.leaves                  # {name: disk.Leaf}, in the order of the files
  tree.leaves['a/b'].view()    # mapped: read as it is touched, not writeable
  tree.read('a/b')             # a copy in memory, aligned for JAX
  tree.stored('a/b')           # 'a.b', its name in the file

Headers are read and checked when it is opened, values when they are asked for.
"""

import json
import pathlib
import stat
from typing import Any

import numpy as np

from paramspace.files import disk
from paramspace.files import folder
from paramspace.files import header
from paramspace.files import manifest
from paramspace.files import npz

INDEX = 'model.safetensors.index.json'
WHOLE = 'model.safetensors'
ADAPTER = 'adapter_model.safetensors'  # Of PEFT; see `adapters`.
PICKLES = ('.bin', '.pt', '.pth', '.ckpt', '.pkl', '.pickle')
_LARGEST_INDEX = 100_000_000  # Bytes.


def open(path: str | pathlib.Path) -> disk.Tree:
  """Opens a tree: reads and checks headers, and no values.

  Args:
    path: A file or a directory; see above.

  Returns:
    The tree.

  Raises:
    ValueError: If a file is damaged, or of a format that is refused, such as
      a pickle, or a link leads out of the directory. It names the file and,
      where there is one, the leaf, and says the way out.
    OSError: If it cannot be read.

  Example:
    >>> import tempfile
    >>> import numpy as np
    >>> from paramspace.files import lazy
    >>> from paramspace.files import safetensors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...   safetensors.save(f'{folder}/x.safetensors', {'a': {'b': np.ones(2)}})
    ...   lazy.open(f'{folder}/x.safetensors').read('a/b')
    array([1., 1.])
  """
  path = pathlib.Path(path)
  if path.is_dir():
    return _open_folder(path)
  if not path.exists():
    raise FileNotFoundError(f'There is no {path}.')
  return _open_file(path)


def inside(root: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the plain file of this name in a folder.

  Raises:
    folder.Unsafe: If the name has a folder, or is that of a link that leads
      out of the folder, or of no plain file.
  """
  if name != pathlib.PurePosixPath(name).name or '\\' in name or '\0' in name:
    raise folder.Unsafe(
      f'{root} names the file {name[:80]!r}; only files in that folder itself '
      'are read.'
    )
  path = root / name
  target = path.resolve()
  if path.is_symlink() and not target.is_relative_to(root.resolve()):
    raise folder.Unsafe(
      f'{path} is a link out of its folder; copy what it links to: '
      f'cp -rL {root} COPY.'
    )
  if not target.exists():
    raise manifest.Damaged(f'{path} is missing.')
  if not stat.S_ISREG(target.stat().st_mode):
    raise folder.Unsafe(f'{path} is no plain file.')
  return path


def _open_folder(path: pathlib.Path) -> disk.Tree:
  present = sorted(entry.name for entry in path.iterdir())
  if INDEX in present:
    return _open_index(path)
  item = next((p for p in _orbax_items(path) if p.is_file()), None)
  if item:
    # What reads it takes a second to import, which no other format needs.
    from paramspace.files import orbax

    return orbax.open(item.parent)
  whole = [n for n in present if n.endswith(('.safetensors', '.npz'))]
  whole = next(([n] for n in (WHOLE, ADAPTER) if n in whole), whole)
  if len(whole) == 1:
    return _open_file(inside(path, whole[0]))._replace(path=path)
  if whole:
    raise ValueError(
      f'{path} holds {whole[:5]} and no {INDEX}; name one of these files.'
    )
  pickles = [n for n in present if n.endswith(PICKLES)]
  if pickles:
    raise _pickle(path / pickles[0])
  raise ValueError(
    f'{path} holds no checkpoint: no safetensors, .npz or orbax among '
    f'{present[:5]}.'
  )


def _orbax_items(path: pathlib.Path) -> list[pathlib.Path]:
  """Returns where orbax may describe a tree: here, or as a manager's item."""
  items = '.', 'default', 'params', 'state'
  return [path / item / '_METADATA' for item in items]


def _open_file(path: pathlib.Path) -> disk.Tree:
  if path.suffix in PICKLES:
    raise _pickle(path)
  if path.suffix == '.npz':
    return _named(path, npz.leaves(path), {})
  if path.suffix == '.safetensors':
    read = header.read(path)
    return _named(path, _leaves(path, read), read.metadata)
  if path.name == INDEX:
    return _open_index(path.parent)
  raise ValueError(
    f'{path} is neither .safetensors nor .npz, nor a directory of either.'
  )


def _open_index(root: pathlib.Path) -> disk.Tree:
  index = inside(root, INDEX)
  places = _weight_map(index)
  leaves, metadata = {}, {}
  for file in sorted(set(places.values())):
    path = inside(root, file)
    read = header.read(path)
    found = _leaves(path, read)
    wanted = {name for name, place in places.items() if place == file}
    _check_index(index, path, wanted, set(found))
    metadata |= read.metadata
    leaves |= found
  return _named(root, leaves, metadata)


def _weight_map(index: pathlib.Path) -> dict[str, str]:
  """Returns the file of every leaf."""

  def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = set()
    for name, _ in pairs:
      if name in seen:
        raise manifest.Damaged(f'{index}: {name!r} is there twice.')
      seen.add(name)
    return dict(pairs)

  if index.stat().st_size > _LARGEST_INDEX:
    raise manifest.Damaged(f'{index} has more than {_LARGEST_INDEX} bytes.')
  try:
    content = json.loads(index.read_bytes().decode(), object_pairs_hook=once)
    places = content['weight_map']
    pairs = list(places.items())
  except manifest.Damaged:
    raise
  except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
    raise manifest.Damaged(
      f'{index} is no JSON object with a weight_map.'
    ) from None
  for name, file in pairs:
    if not isinstance(file, str) or not file.endswith('.safetensors'):
      raise manifest.Damaged(
        f'{index}: leaf {name!r} is in {str(file)[:80]!r}, no safetensors file.'
      )
  return places


def _check_index(
  index: pathlib.Path, path: pathlib.Path, wanted: set[str], found: set[str]
) -> None:
  if wanted != found:
    missing, more = sorted(wanted - found)[:3], sorted(found - wanted)[:3]
    raise manifest.Damaged(
      f'{path} should hold what {index.name} names: missing {missing}, '
      f'unexpected {more}.'
    )


def _leaves(path: pathlib.Path, read: header.Header) -> dict[str, disk.Leaf]:
  return {
    name: disk.Leaf(entry.shape, entry.dtype, path, _view(path, entry))
    for name, entry in read.entries.items()
  }


def _view(path: pathlib.Path, entry: header.Entry):
  def view() -> np.ndarray:
    if entry.start == entry.stop:
      return np.zeros(entry.shape, entry.dtype)
    return np.memmap(path, entry.dtype, 'r', entry.start, entry.shape)

  return view


def _named(
  path: pathlib.Path, leaves: dict[str, disk.Leaf], metadata: dict[str, str]
) -> disk.Tree:
  try:
    return disk.named(path, leaves, metadata)
  except manifest.Damaged as e:
    raise manifest.Damaged(f'{path}: {e}.') from None


def _pickle(path: pathlib.Path) -> ValueError:
  return ValueError(
    f'{path} is a pickle, which can run any program when it is read. Convert '
    'it where you trust it: python -c "import sys, torch; from '
    'safetensors.torch import save_file as save; save({k: v.contiguous() '
    'for k, v in torch.load(sys.argv[1], weights_only=True).items()}, '
    f'sys.argv[2])" {path.name} model.safetensors'
  )
