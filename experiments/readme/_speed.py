"""What is asked of speed, and what was measured, one row for each benchmark."""

from experiments.readme import _results
from paramspace.launch.report import findings
from paramspace.launch.report import numbers
from paramspace.launch.report import studies

SHOWN = {
  'merge_files': (
    'ties/time',
    'TIES of files, a base and three models, over `mergekit-yaml`',
  ),
  'merging': ('ties/mergekit/time', 'TIES in memory, over mergekit'),
  'matching': (
    '8/warm/time',
    "weight matching at width 8, over git-re-basin's algorithm",
  ),
  'averaging': (
    'update/ema/float32/100000000',
    'an update of an average, over a pass that adds',
  ),
  'chaos': (
    'overhead_lenet',
    'training that no kill harms, over the loop without',
  ),
}


def speed() -> str:
  """Returns the rows: times over those of a peer, or over a floor."""
  kept = {study.name: study for study in _results.kept()}
  return _results.markdown(
    [_row(kept[name], *shown) for name, shown in SHOWN.items()]
  )


def _row(study: studies.Study, quantity: str, what: str) -> dict[str, str]:
  (found,) = (f for f in findings.of(study) if f.claim.quantity == quantity)
  value = found.value
  measured = 'not measured' if value is None else f'**{numbers.number(value)}**'
  return {
    'time of': what,
    'measured': measured,
    'asked, at most': numbers.number(found.expected[1]),
    'command': _results.again(study),
  }
