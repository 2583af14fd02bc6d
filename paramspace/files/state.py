"""A training state: a copy to write while it goes on, and the way back."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import base
from paramspace import trees
from paramspace.files import bits
from paramspace.files import manifest


def copy(tree: base.Params) -> dict[str, Any]:
  """Returns the leaves by name; the arrays of `tree` may be donated then.

  On a CPU it waits for no computation: the copies are made on the device, in
  turn. From an accelerator it returns when they are on the host. Only leaves of
  an accelerator that are split over several processes are not copied.
  """
  leaves = bits.named(tree)
  for leaf in leaves.values():
    if not _copied_on_device(leaf) and bits.whole(leaf):
      leaf.copy_to_host_async()
  return {name: _copy_leaf(leaf) for name, leaf in leaves.items()}


def numbers(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """Returns leaves as numbers: NumPy arrays, where this process has the whole.

  Args:
    leaves: From `copy`.
  """
  data = {name: bits.data(x) for name, x in leaves.items()}
  return {name: _on_host(x) for name, x in data.items()}


def wanted(leaf: manifest.Leaf, target: Any) -> jax.ShapeDtypeStruct | None:
  """Returns how to read the numbers of a leaf that is to be like `target`.

  Returns:
    None to read the whole of it to the host, or what `target` needs of it here
    if it is split over several processes.
  """
  sharding = _sharding(target)
  if sharding is None or sharding.is_fully_addressable:
    return None
  if sharding.is_fully_replicated or not leaf.nbytes:
    return None
  dtype = bits.number_dtype(leaf.dtype)
  return jax.ShapeDtypeStruct(leaf.data_shape, dtype, sharding=sharding)


def rebuild(
  target: base.Params, found: Mapping[str, Any], leaves: manifest.Leaves
) -> base.Params:
  """Returns a tree like `target` with the numbers that were found.

  Args:
    target: Arrays, or shapes with shardings from `jax.eval_shape`; an array
      that was not put anywhere in particular stays so. NumPy arrays and numbers
      of Python stay that, too.
    found: The leaves as numbers, by name.
    leaves: What they are.
  """
  rebuilt = {
    name: _rebuild_leaf(x, found[name], leaves[name].dtype)
    for name, x in trees.named(target).items()
  }
  return trees.replace(target, rebuilt)


def as_saved(
  found: Mapping[str, Any], leaves: manifest.Leaves
) -> dict[str, Any]:
  """Returns what was found in nested dicts: NumPy arrays, and PRNG keys.

  Args:
    found: The leaves as numbers, by name.
    leaves: What they are.
  """

  def leaf(name: str, numbers: Any) -> Any:
    implementation = bits.key_implementation(leaves[name].dtype)
    if implementation is None:
      return numbers
    return jax.random.wrap_key_data(numbers, impl=implementation)

  return trees.nested({n: leaf(n, x) for n, x in found.items()})


def _copied_on_device(leaf: Any) -> bool:
  """Whether a copy is made where it is; of NumPy arrays that is the host."""
  if not isinstance(leaf, jax.Array) or bits.is_key(leaf):
    return True
  # Here the host's view of an array is the array: it would be donated too.
  return next(iter(leaf.devices())).platform == 'cpu'


def _copy_leaf(leaf: Any) -> Any:
  if _copied_on_device(leaf):
    return leaf.copy()
  return np.asarray(leaf) if bits.whole(leaf) else leaf


def _on_host(numbers: Any) -> Any:
  if not numbers.size:  # Then nothing is split.
    return np.zeros(numbers.shape, numbers.dtype)
  if not bits.whole(numbers):
    return numbers
  host = np.asarray(numbers)
  return host.astype(host.dtype.newbyteorder('='), copy=False)


def _sharding(target: Any) -> jax.sharding.Sharding | None:
  """The sharding of a target's numbers; None if it may be anywhere."""
  if isinstance(target, jax.ShapeDtypeStruct):
    return target.sharding
  if not isinstance(target, jax.Array) or not target.committed:
    return None
  return bits.data(target).sharding


def _rebuild_leaf(target: Any, numbers: Any, dtype: str) -> Any:
  if isinstance(target, np.ndarray):
    return numbers
  if not isinstance(target, jax.Array | jax.ShapeDtypeStruct):
    return type(target)(numbers[()])
  placed = _place(numbers, _sharding(target))
  implementation = bits.key_implementation(dtype)
  if implementation is None:
    return placed
  return jax.random.wrap_key_data(placed, impl=implementation)


def _place(numbers: Any, sharding: jax.sharding.Sharding | None) -> jax.Array:
  if isinstance(numbers, jax.Array):
    return numbers
  if sharding is None:
    return jnp.asarray(numbers)
  if sharding.is_fully_addressable:
    return jax.device_put(numbers, sharding)
  part = lambda index: numbers[index]
  return jax.make_array_from_callback(numbers.shape, sharding, part)
