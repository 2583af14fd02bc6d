"""Three figures, each with its title and the command that draws it."""

from experiments.readme import _results
from paramspace.launch.report import studies

SHOWN = 'mnist_fc', 'posthoc_ema_fashion_fc', 'mnist_mlp'


def figures() -> str:
  """Returns the figures as Markdown."""
  kept = {study.name: study for study in _results.kept()}
  return '\n\n'.join(_figure(kept[name]) for name in SHOWN)


def _figure(study: studies.Study) -> str:
  title = study.notes.title
  return (
    f'**{title}.** {_results.again(study)}\\\n'
    f'![{title}](experiments/results/{study.name}.svg)'
  )
