"""The tables of what matching finds, what it costs, and what it joins."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from experiments.readme import _results

Summary = Mapping[str, Any]
WIDTHS = (1, 4, 8)
STARTS = {'': '', 'unlike/': ', nothing in common'}


def planted() -> str:
  """Returns a row for each signal: what was recovered, here and there."""
  found = _results.read('matching')
  if found is None:
    return 'Not measured yet.'
  found = found['summary']
  names = [name.split('/') for name in found if name.endswith('/peer/groups')]
  rows = []
  for signal in sorted({name[1] for name in names}, key=float, reverse=True):
    row = {'signal': signal}
    for width in WIDTHS:
      share = lambda of, at=f'{width}/{signal}/': (
        f'{100 * found[f"{at}{of}groups"]:.0f}%'
      )
      row[f'width {width}'] = f'**{share("")}**'
      row[f'width {width}, git-re-basin'] = share('peer/')
    rows.append(row)
  return _results.markdown(rows)


def times() -> str:
  """Returns a row for each width: seconds, and over the peer's."""
  found = _results.read('matching')
  if found is None:
    return 'Not measured yet.'
  found = found['summary']
  widths = [
    name.split('/')[0]
    for name in found
    if name.endswith('/cold/time') and 'unlike' not in name
  ]
  rows = []
  for width in sorted(set(widths), key=int):
    row = {'ResNet-20 at width': width}
    for start, title in STARTS.items():
      for kind in ('cold', 'warm'):
        at, row[kind + title] = f'{width}/{start}{kind}', ''
        if at in found:
          ratio = found[f'{at}/time']
          row[kind + title] = f'{found[at]:.2f} s, **{ratio:.2f}**'
    quick = f'{width}/unlike/outwards/warm/time'
    share = f'**{found[quick]:.2f}**' if quick in found else ''
    row["warm, the same, `starts=('outwards',)`"] = share
    rows.append(row)
  return _results.markdown(rows)


def barriers() -> str:
  """Returns a row for each way to match the MLPs of git-re-basin."""
  found = _results.read('mnist_mlp')
  if found is None:
    return 'Not measured yet.'
  found, shape = found['summary'], '3x512'
  rows = []
  for way, title in MLP_WAYS.items():
    value = lambda what, at=f'{shape}/{way}/': found[at + what]
    if f'{shape}/{way}/loss' in found:
      mean, low, high = value('loss')
      rows.append(
        {
          'way': title,
          'barrier of the test loss': (
            f'**{_loss(mean)}** ({_loss(low)} to {_loss(high)})'
          ),
          'temperature calibrated': _loss(value('calibrated_loss')[0]),
          'accuracy halfway': _percent(value('middle')[0]),
        }
      )
  return _results.markdown(rows)


def matching() -> str:
  """Returns a row for every study that was run."""
  rows = []
  for name, (title, sentence) in STUDIES.items():
    found = _results.read(name)
    if found is not None:
      link = f'[{title}](configs/matching/{name}.py)'
      rows.append({'study': link, 'found': sentence(found['summary'])})
  return _results.markdown(rows) if rows else 'Not measured yet.'


def _each(found: Summary, what: str, ways: Mapping[str, str], show) -> str:
  """Returns a number of each way that was measured."""
  cells = {title: f'{way}/{what}' for way, title in ways.items()}
  return ', '.join(
    f'{title} {show(found[cell][0])}'
    for title, cell in cells.items()
    if cell in found
  )


def _loss(x: float) -> str:
  return f'{x:.3f}' if abs(x) < 0.1 else f'{x:.2f}'


def _percent(x: float) -> str:
  return f'{100 * x:.1f}%'


def _of_paths(ways: Mapping[str, str]) -> Callable[[Summary], str]:
  """Makes the sentence of a study whose figure is `paths`."""

  def sentence(found: Summary) -> str:
    barriers = _each(found, 'barrier', ways, _loss)
    middles = _each(found, 'midpoint_accuracy', ways, _percent)
    return f'barriers of the test loss: {barriers}; accuracy halfway: {middles}'

  return sentence


def _of_shapes(method: str, what: str, show) -> Callable[[Summary], str]:
  """Makes the sentence of a study of widths or of depths."""
  ways = 'none', 'none+reset', method, f'{method}+reset'

  def sentence(found: Summary) -> str:
    parts = []
    for shape in [name for name in found if '/' not in name]:
      cells = [f'{shape}/{way}/{what}' for way in ways]
      *rest, last = (show(found[c][0]) for c in cells if c in found)
      parts.append(f'{shape}: {", ".join(rest)}, **{last}**')
    title = {'loss': 'barrier of the test loss', 'middle': 'accuracy halfway'}
    return (
      f'{title[what]} as they are, with statistics reset, with '
      f'{MLP_WAYS[method]}, and with both, by depth and width: '
      f'{"; ".join(parts)}'
    )

  return sentence


def _of_three(found: Summary) -> str:
  ways = {'none': 'not matched', **MLP_WAYS}
  between = _each(found, 'bc_loss', ways, _loss)
  return f'between the two that were matched to a third: {between}'


MLP_WAYS = {
  'none': 'not permuted',
  'none+reset': 'not permuted, statistics reset',
  'from_identity': 'weight matching from the identity, as git-re-basin',
  'weight_matching': 'weight matching',
  'weight_matching+reset': 'weight matching, statistics reset',
  'activation_matching': 'activation matching',
  'straight_through': 'straight-through',
  'frank_wolfe': 'Frank-Wolfe',
}
CURVES = {
  'line': 'line',
  'line_repaired': 'line after REPAIR',
  'line_matched': 'line after weight matching',
  'bezier': '**Bezier curve**',
  'polygon': '**polygon**',
}
STREAMS = {
  'none': 'as they are',
  'none_repaired': 'statistics reset',
  'permuted_still': 'all but the stream permuted',
  'permuted': 'all permuted',
  'rotated': '**stream rotated**',
  'rotated_heads': '**stream and heads rotated**',
  'rotated_heads_repaired': '**that, statistics reset**',
}
NORMED = {
  'none': 'as they are',
  'none_reset': 'statistics again',
  'weights': 'weights matched',
  'weights_reset': '**weights matched, statistics again**',
  'activations': 'activations matched',
  'activations_reset': '**activations matched, statistics again**',
}
STUDIES: Mapping[str, tuple[str, Callable[[Summary], str]]] = {
  'mnist_mlp_width': (
    'MNIST, widths',
    _of_shapes('weight_matching', 'loss', _loss),
  ),
  'mnist_mlp_depth': (
    'MNIST, depths',
    _of_shapes('activation_matching', 'middle', _percent),
  ),
  'mnist_mlp_three': ('MNIST, three networks', _of_three),
  'digits_curve': ('digits, a curve', _of_paths(CURVES)),
  'tinyshakespeare_gpt': ('Shakespeare, GPT', _of_paths(STREAMS)),
  'cifar10_resnet20': ('CIFAR-10, ResNet-20', _of_paths(NORMED)),
}
