"""Ways from one network to another, and what is measured on them."""

import functools
from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from experiments import connections
from experiments import tasks
from experiments.tasks import pixels
from experiments.tasks import temperature
from paramspace import base
from paramspace import matching
from paramspace import probes
from paramspace import symmetry


class Ways:
  """What measures them."""

  def __init__(
    self,
    task: tasks.Task,
    network: nn.Module,
    held_out: tasks.Split,
    points: int,
  ):
    """Compiles nothing yet.

    Args:
      task: Data, model and loss.
      network: Its model, fully connected.
      held_out: What temperatures are fitted on.
      points: How many there are on each way.
    """
    self._task, self._network, self._points = task, network, points
    self._splits = {
      'train': task.train,
      'test': task.test,
      'held_out': held_out,
    }

  def measure(
    self,
    key: base.PRNGKey,
    a: base.Params,
    b: base.Params,
    curves: Mapping[str, probes.Curve],
  ) -> dict[str, Any]:
    """Returns what `connections.measured` says of each way.

    Args:
      key: Of the matching.
      a: Where the ways begin.
      b: Where they end.
      curves: Trained ones, by name.
    """
    path = functools.partial(self._path, steps=self._points, data=self._splits)
    return {
      'line': path(probes.line, a, b),
      'line_repaired': self._repaired_line(a, b),
      'line_matched': path(probes.line, a, self._matched(key, a, b)),
      **{name: path(probes.curve, curve) for name, curve in curves.items()},
    }

  def _path(self, probe, *between, **options):
    return connections.measured(probe(self._metric, *between, **options))

  def _metric(self, params, splits):
    logits = {n: self._task.apply(params, x.images) for n, x in splits.items()}
    return temperature.scores(logits, {n: x.labels for n, x in splits.items()})

  def _matched(
    self, key: base.PRNGKey, a: base.Params, b: base.Params
  ) -> base.Params:
    images = self._task.test.images[:1]
    spec = symmetry.derive(self._task.apply, a, images)
    found = matching.weight_matching(key, spec, a, b)
    return symmetry.act(spec, found.element, b)

  def _repaired_line(self, a: base.Params, b: base.Params) -> dict[str, Any]:
    """Measures the line after REPAIR at each of its points."""
    images = [self._task.train.images]
    repair = matching.repairer(self._hidden, [a, b], images, self._sites(a))
    return connections.measured(
      connections.repaired_line(
        self._metric, repair, a, b, steps=self._points, data=self._splits
      )
    )

  def _sites(self, params: base.Params) -> list[str]:
    """Returns the names of the hidden layers."""
    return [f'params/{name}' for name in sorted(params['params'])[:-1]]

  def _hidden(self, params, images):
    """Returns what the hidden layers compute, before they are rectified."""
    _, found = self._network.apply(
      params,
      pixels.to_unit(images),
      capture_intermediates=True,
      mutable='intermediates',
    )
    layers = found['intermediates']
    of = lambda site: layers[site.removeprefix('params/')]['__call__'][0]
    return {site: of(site) for site in self._sites(params)}
