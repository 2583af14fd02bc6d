"""Families that can be assigned at once."""

from paramspace.matching import _plan


def colours(plan: _plan.Plan) -> list[list[str]]:
  """Returns the families that some block knows, in classes.

  Two families of a class share no block, so that what one of them is assigned
  does not change what is best for another: together they are one step of
  coordinate ascent.

  Args:
    plan: A plan.

  Returns:
    The names by class; greedy, those with most neighbours first.
  """
  near = {name: set() for name, where in plan.found.items() if where}
  for terms in plan.terms:
    names = {term.family for term in terms}
    for name in names:
      near[name] |= names - {name}
  classes: list[list[str]] = []
  for name in sorted(near, key=lambda name: (-len(near[name]), name)):
    for those in classes:
      if not near[name].intersection(those):
        those.append(name)
        break
    else:
      classes.append([name])
  return classes
