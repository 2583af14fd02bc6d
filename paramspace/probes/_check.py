"""What probes ask of their arguments."""

from collections.abc import Sequence

from paramspace import base
from paramspace import trees


def steps(value: int, name: str = 'steps') -> None:
  """Raises unless there are both ends at least."""
  whole = isinstance(value, int) and not isinstance(value, bool)
  if not whole or value < 2:
    raise ValueError(
      f'`{name}` must be an integer of 2 or more, so that both ends are there; '
      f'got {value!r}.'
    )


def alike(models: Sequence[base.Params], names: Sequence[str]) -> None:
  """Raises unless there are points between the models.

  Args:
    models: Trees.
    names: What they are called, for the message.

  Raises:
    ValueError: Naming the leaf that differs in shape, dtype or, if it is not
      floating-point, in value; a value is not known under `jit`.
  """
  trees.floating(models[0])  # Raises if there is none.
  for model, name in zip(models[1:], names[1:], strict=True):
    what = f'{name}, beside {names[0]}'
    trees.check_same(models[0], model, what)
    trees.check_carried(models[0], model, what)
