"""One training state on disk: arrays in a folder, and a manifest beside it."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from paramspace import base
from paramspace.files import arrays
from paramspace.files import bits
from paramspace.files import folder
from paramspace.files import manifest
from paramspace.files import packing
from paramspace.files import state

Found = tuple[dict[str, Any], manifest.Leaves]


def begin(writer: arrays.Writer, step: int, leaves: Mapping[str, Any]) -> str:
  """Begins to write a state; see `arrays.Writer.begin`.

  Args:
    writer: Of the folder of the steps.
    step: One that is not there.
    leaves: From `state.copy`.

  Returns:
    The manifest to put beside the step once it is written.
  """
  described = manifest.describe(leaves)
  packed, small = packing.pack(state.numbers(leaves), described)
  writer.begin(step, packed)
  return manifest.dumps(described, step=step, small=small)


def read(
  directory: pathlib.Path,
  step: int,
  beside: pathlib.Path,
  target: base.Params | None = None,
) -> Found:
  """Returns what is written of a state; waits for no other process.

  That its numbers are the right ones is up to `manifest.check`.

  Args:
    directory: The folder of the steps.
    step: Which of them.
    beside: The file of the manifest.
    target: What the leaves are to be like, see `state.rebuild`; None to read
      all of them to the host.

  Returns:
    `(numbers, leaves)`: the leaves as numbers, and what the manifest says of
    them.

  Raises:
    manifest.Mismatch: If the manifest is whole and of other leaves than those
      of the target.
    manifest.Damaged: If it cannot be read, for whatever reason.
  """
  try:
    leaves, about = manifest.loads(folder.regular_file(beside).read_bytes())
    if about['step'] != step:
      raise manifest.Damaged(f'the manifest is that of step {about["step"]}')
    if target is not None:
      manifest.check_like(leaves, target)
    folder.regular_files(directory / str(step))
    wanted = _wanted(leaves, about['small'], target)
    found = arrays.read(directory / str(step), wanted)
    return packing.unpack(found, leaves, about['small']), leaves
  except (manifest.Mismatch, manifest.Damaged):
    raise
  except (MemoryError, jax.errors.JaxRuntimeError):
    raise  # Of this machine, which is no fault of the files.
  except Exception as e:  # Orbax has a different one for each kind of harm.
    lines = f'{e}'.splitlines() or [type(e).__name__]
    raise manifest.Damaged(lines[0][:200]) from e


def _wanted(
  leaves: manifest.Leaves, small: list[str], target: base.Params | None
) -> dict[str, jax.ShapeDtypeStruct | None]:
  """How to read every array."""
  slots = packing.slots(leaves, small)
  wanted = dict.fromkeys((*slots, packing.BLOCK))
  if target is not None:
    targets = bits.named(target)
    for slot, name in slots.items():
      wanted[slot] = state.wanted(leaves[name], targets[name])
  return wanted
