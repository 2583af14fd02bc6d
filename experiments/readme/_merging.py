"""The tables of what pruning and merging do, and what they cost."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from experiments.readme import _results

Summary = Mapping[str, Any]
FILES = ('linear', 'task_arithmetic', 'ties', 'dare_ties', 'global_ties')
METHODS = ('linear', 'task_arithmetic', 'ties', 'dare_ties', 'della')


def merging() -> str:
  """Returns a row for every study that was run."""
  rows = []
  for name, (title, sentence) in STUDIES.items():
    found = _results.read(name.rpartition('/')[2])
    if found is not None:
      rows.append(
        {
          'study': f'[{title}](configs/{name}.py)',
          'found': sentence(found['summary']),
        }
      )
  return _results.markdown(rows) if rows else 'Not measured yet.'


def encoders() -> str:
  """Returns a row for every way to one encoder."""
  found = _results.read('minilm_tasks')
  if found is None:
    return 'Not measured yet.'
  tasks = ('sst2', 'cola', 'rte', 'trec', 'subj', 'mr')
  percent = lambda x: f'{100 * x:.1f}'
  rows = [
    {
      'method': row['method'],
      'mean': f'**{percent(row["mean"])}** +- {percent(row["std"])}',
      **{task: percent(row[task]) for task in tasks},
    }
    for row in reversed(found['rows'])
  ]
  return _results.markdown(rows)


def speed() -> str:
  """Returns a row for every method that both have."""
  found = _results.read('merging')
  if found is None:
    return 'Not measured yet.'
  found = found['summary']
  rows = []
  for method in METHODS:
    read = lambda name, at=f'{method}/mergekit/': found[at + name]
    times, low, high = read('times')
    # Of sums there is one definition.
    paper = found.get(f'{method}/paper/mparams_s', read('mparams_s'))
    rows.append(
      {
        'million parameters a second': f'`{method}`',
        'here, as mergekit': f'{read("mparams_s"):.0f}',
        'here, as the paper': f'{paper:.0f}',
        'mergekit': f'{read("peer_mparams_s"):.1f}',
        'times': f'**{times:.1f}** ({low:.1f} to {high:.1f})',
        'of a copy': f'{read("of_copy")[0]:.2f}',
      }
    )
  return _results.markdown(rows)


def files() -> str:
  """Returns a row for every method by which files are merged."""
  found = _results.read('merge_files')
  if found is None:
    return 'Not measured yet.'
  found = found['summary']
  rows = []
  for method in FILES:
    has = lambda name, at=f'{method}/': at + name in found
    read = lambda name, at=f'{method}/': found[at + name]
    gigabytes = lambda name, read=read: f'{read(name) / 1e9:.2f}'
    rows.append(
      {
        'seconds, whole process': f'`{method}`',
        'here': f'**{read("ours_s"):.1f}**',
        'mergekit-yaml': f'{read("peer_s"):.1f}' if has('peer_s') else '',
        'times': f'**{read("times")[0]:.1f}**' if has('times') else '',
        '`cat` and start': f'{read("cat_s") + read("start_s"):.1f}',
        'readings': str(read('passes')),
        'GB at most': gigabytes('peak_bytes'),
        'GB, mergekit-yaml': (
          gigabytes('peer_peak_bytes') if has('peer_peak_bytes') else ''
        ),
      }
    )
  return _results.markdown(rows)


def _percent(value: Any, digits: int = 1) -> str:
  value = value[0] if isinstance(value, list | tuple) else value
  return f'{100 * value:.{digits}f}%'


def _drop_rate(found: Summary) -> str:
  of = lambda name: _percent(found[name])
  return (
    f'after usual steps DARE keeps {of("usual_dare_0.9")} at a rate of 0.9 and '
    f'{of("usual_dare_0.99")} at 0.99, where what is dropped and not rescaled '
    f'has {of("usual_drop_only_0.99")}, magnitude '
    f'{of("usual_magnitude_0.99")}. After large steps DARE has '
    f'{of("large_dare_0.9")} at 0.9, and **{of("large_dare_0.99")}** at 0.99, '
    'where DAREx-q has, by labels, by change and analytic, '
    f'**{of("large_q_by_score_0.99")}**, {of("large_q_by_change_0.99")} and '
    f'{of("large_q_analytic_0.99")}; after a pull towards the base DARE has '
    f'{of("toward_base_dare_0.99")}'
  )


def _grafting(found: Summary) -> str:
  share = lambda mask, density: _percent(found[f'{mask}_{density:g}_share'], 0)
  curves = '; '.join(
    f'{mask.replace("_", " ")} '
    + ', '.join(share(mask, x) for x in (1e-4, 1e-3, 0.01, 0.1, 0.3))
    for mask in ('learned', 'top_movement', 'random')
  )
  overlap = _percent(found['learned_0.01_overlap'])
  return (
    'the share of what fine-tuning gives, at .01%, .1%, 1%, 10% and 30% of the '
    f'delta: {curves}. Two tasks share {overlap} of a learned mask of 1%'
  )


def _digits(found: Summary) -> str:
  share = lambda method: ' to '.join(
    _percent(found[f'{method}/{n}']) for n in (2, 8)
  )
  return (
    'of the accuracy of single models, with 2 to 8 tasks: RegMean '
    f'**{share("regmean")}**, TSV {share("tsv")}, Iso-C {share("iso_c")}, '
    f'Fisher {share("fisher")}, average {share("average")}, TIES '
    f'{share("ties")}. Over all subsets, accuracy falls with the conflict of '
    'signs (rank correlation '
    f'{found["task_arithmetic/spearman_subsets"]:.2f}); over pairs alone it '
    f'does not ({found["task_arithmetic/spearman_pairs"]:+.2f})'
  )


STUDIES: Mapping[str, tuple[str, Callable[[Summary], str]]] = {
  'merging/digits_tasks': ('digits and clothes, 2 to 8 tasks', _digits),
  'deltas/minilm_drop_rate': ('drop rates, SST-2 and TREC', _drop_rate),
  'deltas/minilm_grafting': ('grafting, four tasks', _grafting),
}
