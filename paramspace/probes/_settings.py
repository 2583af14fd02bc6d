"""What a probe was asked for, kept beside what it found."""

from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Mapping

import jax


@jax.tree_util.register_static
class Settings(Mapping[str, Hashable]):
  """The arguments of a probe, by name; `dict(settings)` goes into JSON.

  It has no arrays and counts as structure, so that results go through `jit` and
  `vmap` with it.

  >>> Settings(probe='line', steps=25)['steps']
  25
  """

  def __init__(self, **values: Hashable):
    self._values = values

  def __getitem__(self, name: str) -> Hashable:
    return self._values[name]

  def __iter__(self) -> Iterator[str]:
    return iter(self._values)

  def __len__(self) -> int:
    return len(self._values)

  def __hash__(self) -> int:
    return hash(frozenset(self._values.items()))

  def __repr__(self) -> str:
    inside = ', '.join(f'{name}={x!r}' for name, x in self._values.items())
    return f'Settings({inside})'
