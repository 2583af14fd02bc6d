"""The page: its parts in `page.html`, with its style and its script."""

import importlib.resources
import string
from collections.abc import Sequence

from paramspace.launch.report import cards
from paramspace.launch.report import findings
from paramspace.launch.report import markup
from paramspace.launch.report import missing
from paramspace.launch.report import studies
from paramspace.launch.report import table


def render(
  found: Sequence[studies.Study], claimed: Sequence[findings.Finding]
) -> str:
  """Returns the page.

  Args:
    found: All studies, those without a kept result too.
    claimed: What was found of their claims.
  """
  kept = [study for study in found if study.kept is not None]
  of = lambda study: [f for f in claimed if f.study is study]
  return string.Template(_asset('page.html')).substitute(
    style=_asset('page.css'),
    script=_asset('page.js'),
    lead=_lead(kept, claimed),
    topics=_topics(kept),
    claims=table.table(claimed),
    cards='\n'.join(cards.card(study, of(study)) for study in kept),
    missing=missing.missing(found, claimed),
  )


def _lead(
  kept: Sequence[studies.Study], claimed: Sequence[findings.Finding]
) -> str:
  """Returns what there is to see, in numbers."""
  count = findings.tally(claimed)
  shown = (
    (f'{len(kept)}', 'studies'),
    (f'{count.hold} of {count.claims}', 'claims hold'),
    (f'{count.fail}', 'do not hold'),
    (f'{count.unmeasured}', 'not measured'),
    (f'{count.agree} of {count.papers}', 'numbers of papers found again'),
  )
  return ''.join(
    f'<div><dt>{name}</dt><dd>{number}</dd></div>' for number, name in shown
  )


def _topics(kept: Sequence[studies.Study]) -> str:
  names = sorted({study.topic for study in kept})
  return ''.join(f'<option>{markup.escape(name)}</option>' for name in names)


def _asset(name: str) -> str:
  folder = importlib.resources.files('paramspace.launch.report')
  return folder.joinpath(name).read_text(encoding='utf-8')
