"""The leaves of a checkpoint of orbax."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from paramspace import trees
from paramspace.files import disk
from paramspace.files import folder
from paramspace.files import manifest


def open(path: pathlib.Path) -> disk.Tree:
  """Opens a tree of arrays that orbax has written.

  It is not mapped: orbax reads a leaf when it is asked for, that leaf alone.

  Raises:
    manifest.Damaged: If orbax cannot read it, or a leaf is no array.
    folder.Unsafe: If there is a link in it.
  """
  folder.regular_files(path)
  place = epath.Path(path.resolve())
  try:
    described = ocp.PyTreeCheckpointHandler().metadata(place).tree
    leaves = {
      name: disk.Leaf(
        tuple(leaf.shape),
        np.dtype(leaf.dtype),
        path,
        _view(place, described, name),
      )
      for name, leaf in trees.named(described).items()
    }
  except Exception as e:  # Orbax has a different one for each kind of harm.
    line = (f'{e}'.splitlines() or [type(e).__name__])[0][:200]
    raise manifest.Damaged(f'{path} cannot be read as orbax: {line}') from e
  return disk.Tree(path, dict(sorted(leaves.items())))


def _view(
  place: epath.Path, described: Any, name: str
) -> Callable[[], np.ndarray]:
  def view() -> np.ndarray:
    # With placeholders for the others: of a list, no part can be asked for.
    none = jax.tree.map(lambda _: ocp.PLACEHOLDER, described)
    args = ocp.args.PyTreeRestore(
      item=trees.replace(none, {name: 0}),
      restore_args=jax.tree.map(lambda _: _AS_NUMPY, described),
    )
    found = ocp.PyTreeCheckpointHandler().restore(place, args=args)
    return trees.named(found)[name]

  return view


_AS_NUMPY = ocp.RestoreArgs(restore_type=np.ndarray)
