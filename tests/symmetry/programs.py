"""Small programs, the groups they have, and the check that they have them."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramspace import symmetry

B, D = 4, 3  # Of the input.

# Leaves that many programs have, and the group between them.
MLP = {'v': (D, 6), 'w': (6, 2)}
ONE = {'v:1': 6}


class Cases(dict):
  """Programs by name."""

  def case(self, groups, notes=0, **shapes):
    """Registers a program, the groups it has, and the shapes of its leaves.

    Groups are `{name: size}` or `{name: (size, over, ...)}`.
    """
    sized = lambda group: group if isinstance(group, tuple) else (group,)
    groups = {name: sized(group) for name, group in groups.items()}

    def register(program):
      assert program.__name__ not in self
      self[program.__name__] = Case(program, shapes, groups, notes)
      return program

    return register


class Case(NamedTuple):
  program: object
  shapes: dict
  groups: dict
  notes: int

  def check(self):
    """Derives the groups, and moves by them in float64."""
    params = {leaf: drawn(*shape) for leaf, shape in self.shapes.items()}
    apply, x = lambda p, x: self.program(x, **p), drawn(B, D)
    spec = symmetry.derive(apply, params, x)
    found = {n: (g.size, *g.over) for n, g in spec.groups.items() if g.moves}
    assert found == self.groups, spec.leaves
    assert len(spec.notes) == self.notes, spec.notes
    if found:
      symmetry.verify(apply, params, spec, x, seeds=1)


def drawn(*shape):
  rng = np.random.default_rng(sum(shape))
  return jnp.asarray(rng.normal(size=shape), jnp.float32)
