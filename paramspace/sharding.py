"""Where arrays live: meshes, and placing parameters, rows and batches on them.

A sharding is decided by a rule from the shapes of the leaves, so the same rule
places parameters, what `jax.eval_shape` says of them, and the optimizer's state
that has their shapes. Programs are written for one device, on global arrays.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramspace import trees

# Of fewer scalars a copy on every device costs less than to gather them.
MIN_SIZE = 2**14

Tree = Any


def mesh(
  devices: Sequence[jax.Device] | None = None,
  axes: Mapping[str, int] | None = None,
) -> jax.sharding.Mesh:
  """Returns a mesh whose axes XLA shards by itself (`AxisType.Auto`).

  Args:
    devices: None is all devices of all processes.
    axes: The sizes of the axes by name; None is one axis, `data`, over all.

  Raises:
    ValueError: If the sizes do not multiply to the number of devices.

  >>> mesh().axis_names
  ('data',)
  """
  devices = jax.devices() if devices is None else devices
  axes = {'data': len(devices)} if axes is None else axes
  if np.prod(list(axes.values())) != len(devices):
    raise ValueError(
      f'A mesh of {dict(axes)} does not fill {len(devices)} devices.'
    )
  auto = (jax.sharding.AxisType.Auto,) * len(axes)
  return jax.make_mesh(tuple(axes.values()), tuple(axes), auto, devices=devices)


def replicated(mesh: jax.sharding.Mesh) -> jax.NamedSharding:
  """Returns the sharding of an array that every device has whole."""
  return jax.NamedSharding(mesh, jax.P())


def replicate(tree: Tree, mesh: jax.sharding.Mesh) -> Tree:
  """Returns a tree of shardings that give every device every leaf."""
  return jax.tree.map(lambda _: replicated(mesh), tree)


def fsdp(
  tree: Tree,
  mesh: jax.sharding.Mesh,
  axis: str = 'data',
  min_size: int = MIN_SIZE,
) -> Tree:
  """Returns a tree of shardings that split the large leaves over an axis.

  A leaf is split on the largest of its dimensions that the size of the axis
  divides, the first of equals. Leaves where there is none, leaves of fewer than
  `min_size` scalars, and PRNG keys are replicated.

  Args:
    tree: Arrays, or their shapes from `jax.eval_shape`.
    mesh: The devices.
    axis: The axis of the mesh to split over.
    min_size: The size from which on a leaf is split.

  Raises:
    ValueError: If the mesh has no such axis.

  >>> leaf = jax.ShapeDtypeStruct((3, 512, 64), jnp.float32)
  >>> fsdp({'kernel': leaf}, mesh())['kernel'].spec
  P(None, 'data', None)

  References:
    Rajbhandari et al, 2020, ZeRO, https://arxiv.org/abs/1910.02054.
  """
  if axis not in mesh.axis_names:
    raise ValueError(f'The mesh has axes {mesh.axis_names}, and no {axis!r}.')
  parts = mesh.shape[axis]

  def split(leaf: jax.Array) -> jax.NamedSharding:
    key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    fit = [i for i, n in enumerate(leaf.shape) if n and n % parts == 0]
    if key or leaf.size < min_size or not fit:
      return replicated(mesh)
    widest = max(fit, key=lambda i: leaf.shape[i])
    spec = [axis if i == widest else None for i in range(leaf.ndim)]
    return jax.NamedSharding(mesh, jax.P(*spec))

  return jax.tree.map(split, tree)


def place(tree: Tree, shardings: Tree) -> Tree:
  """Returns the tree with its leaves where `shardings` wants them.

  Args:
    tree: Arrays. With several processes, arrays of NumPy or of one process have
      to be equal on all of them.
    shardings: A sharding for each leaf, for example from `fsdp`.

  >>> everywhere = replicated(mesh())
  >>> place({'x': np.ones(3)}, {'x': everywhere})['x'].sharding == everywhere
  True
  """
  return jax.tree.map(_place_leaf, tree, shardings)


def rows(tree: Tree, devices: Sequence[jax.Device] | None = None) -> Tree:
  """Returns the tree with the leading axis of every leaf over the devices.

  Args:
    tree: Arrays `[n, *s]`.
    devices: None is all devices of this process. The first k are used, the most
      of them that divide n.

  Raises:
    ValueError: If leaves have no leading axis or not the same.

  >>> rows({'x': jnp.zeros((12, 3))})['x'].sharding.spec
  P('rows',)
  """
  devices = jax.local_devices() if devices is None else devices
  counts = {n: (*np.shape(x), None)[0] for n, x in trees.named(tree).items()}
  count = next(iter(counts.values()), 1)
  for name, other in counts.items():
    if other is None or other != count:
      raise ValueError(
        f'Rows need one leading axis in all leaves; that of {name!r} is '
        f'{other}, that of {next(iter(counts))!r} is {count}.'
      )
  used = max(k for k in range(1, len(devices) + 1) if count % k == 0)
  over = mesh(devices[:used], {'rows': used})
  split = jax.NamedSharding(over, jax.P('rows'))
  return place(tree, jax.tree.map(lambda _: split, tree))


def batch(
  mesh: jax.sharding.Mesh,
  shape: Sequence[int],
  load: Callable[[slice], np.ndarray],
  axis: str = 'data',
  dimension: int = 0,
) -> jax.Array:
  """Returns a global batch of which each process loads its own part.

  Args:
    mesh: The devices.
    shape: The shape of the whole batch.
    load: Returns the examples in a slice of the batch; called for the examples
      that the devices of this process hold. What it returns for an example has
      to be the same on whatever process.
    axis: The axis of the mesh that the examples are split over.
    dimension: Which dimension of the shape counts the examples.

  Raises:
    ValueError: If the devices of the axis do not divide the examples.

  >>> batch(mesh(), (16, 3), lambda part: np.ones((16, 3))[part]).shape
  (16, 3)
  """
  shape, parts = tuple(shape), mesh.shape[axis]
  count = shape[dimension]
  if count % parts:
    raise ValueError(
      f'{count} examples cannot be split over {parts} devices; make the batch '
      f'a multiple of {parts}.'
    )
  spec = [axis if i == dimension else None for i in range(len(shape))]
  return jax.make_array_from_callback(
    shape,
    jax.NamedSharding(mesh, jax.P(*spec)),
    lambda index: load(slice(*index[dimension].indices(count)[:2])),
  )


def _place_leaf(x: Any, sharding: jax.sharding.Sharding) -> jax.Array:
  local = not isinstance(x, jax.Array) or x.is_fully_addressable
  if sharding.is_fully_addressable or not local:
    return jax.device_put(x, sharding)
  # `device_put` would send the values round to see whether they are equal.
  if jnp.issubdtype(jnp.asarray(x).dtype, jax.dtypes.prng_key):
    data = _place_leaf(jax.random.key_data(x), sharding)
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
  host = np.asarray(x)
  return jax.make_array_from_callback(host.shape, sharding, lambda i: host[i])
