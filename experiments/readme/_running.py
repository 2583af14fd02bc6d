"""Sentences on runs and sweeps."""

from experiments.readme import _results


def one_program() -> str:
  """Returns the sentence about a sweep in one program."""
  found = _results.read('one_program')
  return (
    f'The {found["points"]} points of the digits sweep take '
    f'{found["one_program_s"]:.0f} s as one program, and '
    f'{found["one_by_one_s"]:.0f} s one after another: '
    f'**{found["ratio"]:.1f} times** as long.'
  )


def chaos() -> str:
  """Returns what the storm found, or that it was not run."""
  found = _results.read('chaos')
  if found is None:
    return 'Not measured yet.'
  asked = [row for row in found['rows'] if row['holds'] != '']
  failing = [row for row in asked if not row['holds']]
  value = {row['check']: row['found'] for row in found['rows']}
  measured = found['summary']
  lines = [
    f'{value["kills"]} SIGKILLs over a sweep of '
    f'{value["points of the sweep"]} points, '
    f'{value["of them during a save"]} of them during a save: '
    f'**{value["points whose final parameters have another digest"]}** points '
    f'with other bits. {value["harms"]} ways of damaging '
    f'{value["files harmed"]} files of a checkpoint: '
    f'**{value["resumed to other values"]}** wrong values. A run that saves '
    f'and logs every 100 steps takes {measured["overhead_lenet"]:.3f} times as '
    f'long as the bare loop at {value["lenet: ms of a bare step"]:.0f} ms a '
    f'step, {measured["overhead_fc"]:.2f} at '
    f'{value["fc: ms of a bare step"]:.1f} ms. From the shell to the first '
    f'step: {measured["first_step_s"]:.1f} s; a dry run of 10,000 points: '
    f'{measured["dry_run_vmapped_s"]:.1f} s. '
    f'{len(asked) - len(failing)} of {len(asked)} checks hold'
  ]
  lines += [f'not: {row["check"]} ({row["allowed"]})' for row in failing]
  return '; '.join(lines) + '.'
