"""A start for coordinate ascent, grown outwards from what nothing permutes."""

import math

import numpy as np

from paramspace.matching import _assign
from paramspace.matching import _posterior
from paramspace.matching import _scipy_solver
from paramspace.matching import _search

# Correlations of paired entries, assumed in turn; and how many times more must
# be known at each for a family to be looked at again.
RUNGS = ((0.1, 1.02), (0.2, 1.1), (0.4, 1.1))
VISITS = 40  # Of a family at one correlation, at most.
CERTAIN = 0.999
FLAT = 1e-6


class Growth:
  """What is believed of each family, and how much the blocks say.

  Two models that were trained alike are taken for noisy copies of each other:
  paired entries of a leaf have the correlation rho and else nothing in common.
  Then the logit of a pair (i, j) is rho / (1 - rho^2) times the inner product
  of what belongs to i and to j, scaled to unit variance, where along the other
  axes b is averaged by what is believed of those. Nothing is known at first,
  so that along them only sums count. A low correlation is assumed before a
  higher one, which anneals.

  Attributes:
    search: Where the families are that are certain; it is moved.
    solver: What solves assignments.
    beliefs: By family, as `_posterior.posterior` returns it, of those that are
      neither certain nor unknown.
    scales: By block, what makes its entries of unit variance.
    heard: By family, the beliefs there were when it was looked at last.
    overlap: By family, how likely two draws agree; 1 if it is certain.
  """

  def __init__(self, search: _search.Search, solver: _scipy_solver.Solver):
    self.search, self.solver = search, solver
    self.plan = search.plan
    self.sizes = {f: self._size(f) for f in self.plan.families}
    self.overlap = {f: 1 / n for f, n in self.sizes.items()}
    self.beliefs, self.certain, self.heard = {}, set(), {}
    self.scales = list(search.each(self._scale, range(len(search.a))))
    self.useful = {
      f: [i for i in where if _useful(self.plan, i) and self.scales[i]]
      for f, where in self.plan.found.items()
    }
    self.entries = {f: tuple(self._entries(f)) for f in self.plan.families}

  def run(self) -> bool:
    """Grows; returns whether every family became certain."""
    done = False
    for k, (rho, more) in enumerate(RUNGS):
      done = done or self._at(rho, more, echo=k == 0)
    for family in sorted(self.beliefs, key=self.overlap.get, reverse=True):
      self._harden(family, self._logits(family, RUNGS[-1][0], False))
    return done

  def outwards(self) -> None:
    """Assigns each family once, that of which most is known first."""
    self.beliefs, self.overlap = {}, {f: 1 / n for f, n in self.sizes.items()}
    left = [family for family, where in self.plan.found.items() if where]
    while left:
      family = max(left, key=self._said)
      left.remove(family)
      if logits := self._logits(family, RUNGS[-1][0], False):
        self._harden(family, logits)

  def _at(self, rho, more, echo):
    """Looks at families until no more is known of any; the most said first."""
    known, visits = {}, dict.fromkeys(self.plan.families, VISITS)
    while True:
      due = {}
      for family in self.plan.families:
        said, last = self._said(family), known.get(family)
        if last is None and said:
          due[family] = said
        elif said and visits[family] and family not in self.certain:
          if said > more * last:
            due[family] = said - last
      if not due:
        return all(
          f in self.certain for f, where in self.plan.found.items() if where
        )
      family = max(due, key=due.get)
      known[family] = self._said(family)
      visits[family] -= 1
      self._visit(family, rho, echo)

  def _said(self, family):
    """Returns how many entries there are to tell an index from others by."""
    return sum(
      entries * math.prod(self.overlap[other] for other in others)
      for entries, others in self.entries[family]
    )

  def _entries(self, family):
    """Yields, by block, the entries of an index, and who else permutes them."""
    for block in self.useful[family]:
      terms = self.plan.terms[block]
      (own,) = (t for t in terms if t.family == family)
      count = math.prod(self._axis(block, k) for k in own.own)
      others = tuple(t.family for t in terms if t != own)
      yield math.prod(self.plan.blocks[block].shape) / count, others

  def _axis(self, block, k):
    return self.plan.blocks[block].factors[k].size

  def _size(self, family):
    outer, inner = self.plan.families[family]
    groups = self.plan.spec.groups
    most = max((groups[g].size for g in inner), default=1)
    return most * (groups[outer].size if outer else 1)

  def _visit(self, family, rho, echo):
    logits = self._logits(family, rho, echo)
    if not logits:
      return
    self.heard[family] = dict(self.beliefs)
    beliefs = _posterior.posterior(self.plan, family, logits)
    self.overlap[family] = _overlap(self.plan, family, beliefs, logits)
    self.beliefs[family] = beliefs
    if self.overlap[family] > CERTAIN:
      self._harden(family, logits)
    else:
      self.certain.discard(family)

  def _harden(self, family, logits):
    """Goes to the most likely assignment of a family."""
    found = _assign.assign(self.plan, {family: logits}, self.solver)
    self.search.move(family, found[family].step)
    for known in (self.beliefs, *self.heard.values()):
      known.pop(family, None)
    self.certain.add(family)
    self.overlap[family] = 1.0

  def _logits(self, family, rho, echo):
    """Returns the logits of a family by group."""
    total, factor = {}, rho / (1 - rho * rho)

    def listen(block):
      (own,) = (t for t in self.plan.terms[block] if t.family == family)
      said = self.search.arrays.fetch(self._average(block, own))
      said = factor * self.scales[block] * said
      return own.group, said - factor**2 * echo * self._echo(block, own)

    with self.search.clock('products'):
      for group, said in self.search.each(listen, self.useful[family]):
        _search.add(total, group, said)
    return total

  def _average(self, block, own):
    """Returns what a block says of a family, given beliefs of the others."""
    search = self.search
    others = [t for t in self.plan.terms[block] if t != own]
    if all(t.family in self.certain for t in others):
      return search.said(block, own)
    a, b = search.a[block], search.b[block]
    for t in others:
      if t.family in self.beliefs:
        belief = self.beliefs[t.family][t.group]
        b = search.arrays.couple(b, t.batch, t.own, belief)
      elif t.family not in self.certain:
        a = a.sum(t.own, keepdims=True)
        b = b.mean(t.own, keepdims=True)
    return search.arrays.pairs(a, b, own.batch, own.own)

  def _echo(self, block, own):
    """Returns what a family would hear of its own belief from a block.

    The other family has listened to this one, through the same entries; how
    loud that comes back is the variance of what is believed of the other.
    """
    terms = self.plan.terms[block]
    others = [t for t in terms if t != own]
    if len(others) != 1 or own.batch or others[0].batch:
      return 0.0
    other = self.beliefs.get(others[0].family)
    mine = self.heard.get(others[0].family, {}).get(own.family)
    if other is None or mine is None:
      return 0.0
    p = other[others[0].group]
    n = math.prod(self._axis(block, k) for t in terms for k in t.own)
    entries = self.search.a[block].size / n
    return entries * float((p * (1 - p)).sum()) * mine[own.group]

  def _scale(self, block):
    """Returns one over the variance of the entries of a block."""
    axes = tuple(k for t in self.plan.terms[block] for k in t.own)
    arrays = self.search.arrays
    product = math.prod(
      _deviation(arrays, x[block], axes) for x in (self.search.a, self.search.b)
    )
    return 1 / product if product > 0 else 0.0


def _useful(plan, block):
  """Whether a block has a family once only, and no index that moves."""
  terms = plan.terms[block]
  factors = plan.blocks[block].factors
  families = [t.family for t in terms]
  batch = [factors[k].name for t in terms for k in t.batch]
  moving = any(plan.spec.groups[name].moves for name in batch)
  return len(set(families)) == len(families) and not moving


def _deviation(arrays, x, axes):
  """Returns the standard deviation of entries about their means along axes."""
  mean = arrays.fetch(x.mean(axes))
  square = arrays.dot(x, x) / x.size
  spread = square - float((mean.astype(np.float64) ** 2).mean())
  return spread**0.5 if spread > 1e-6 * square else 0.0


def _overlap(plan, family, beliefs, logits):
  """Returns how likely two draws agree, in the least certain of the groups.

  An index of which nothing is said, as of a dead unit, does not count.
  """
  outer, least = plan.families[family].outer, 1.0
  for group, z in logits.items():
    own = 1 if outer in (None, group) else 2
    n = math.prod(z.shape[-own:])
    p, z = beliefs[group].reshape(-1, n, n), z.reshape(-1, n, n)
    alive = np.ptp(z, -1) > FLAT * np.abs(z).max()
    agree = (p**2).sum(-1)[alive].mean() if alive.any() else 1 / n
    least = min(least, float(agree))
  return least
