"""Several configs in one command, in the laboratory."""

import pytest

from paramspace.launch import errors
from paramspace.launch import records
from paramspace.launch import several

OTHER = 'configs/toy/other.py'


def usage_error(lab, capsys, *arguments):
  """The one line on stderr of a call that is wrong."""
  assert lab.command('reproduce', *arguments) == errors.USAGE
  (line,) = capsys.readouterr().err.splitlines()
  return line


def copy(lab, path, *changes):
  """Writes the lab's config again, with changes."""
  text = (lab.root / lab.config).read_text()
  for old, new in changes:
    assert old in text
    text = text.replace(old, new)
  return lab.write(path, text)


@pytest.fixture
def pair(lab):
  """The laboratory with two configs of other seeds."""
  copy(lab, OTHER, ('range(3)', 'range(5, 7)'), ('1.3, 0.01', '1.3, 9.0'))
  return lab


def test_all_of_them_are_drawn_each_in_its_own_directory(pair, capsys):
  assert pair.command('reproduce', '--all', '--workdir=out') == errors.DONE
  drawn = sorted(p.name for p in pair.root.glob('out/*/figures/*.svg'))
  assert drawn == ['other.svg', 'walk.svg']
  begin, end, *_ = capsys.readouterr().out.splitlines()
  assert begin == '[1/2] configs/toy/other: 2 points'
  assert end.startswith('[1/2] configs/toy/other: done, 1 of 1 claims hold, 0:')


def test_the_directories_are_those_of_a_config_alone(pair):
  assert pair.command('reproduce', pair.config) == errors.DONE
  assert pair.command('reproduce', pair.config, OTHER) == errors.DONE
  assert pair.started == ['0 1 2', '5 6']


def test_a_config_that_fails_stops_no_other(pair, capsys):
  changes = [("harm=''", "harm='NOSIGNAL'"), ('at=0', 'at=1')]
  copy(pair, 'configs/toy/a_failing.py', *changes)
  copy(pair, 'configs/toy/b_diverging.py', ('rate = 0.1', 'rate = 1e30'))
  copy(pair, 'configs/toy/c_wrong.py', ('1.3, 0.01', '9.9, 0.01'))
  assert pair.command('reproduce', '--all') == errors.FAILED
  shown, stderr = capsys.readouterr()
  assert 'NOSIGNAL' in stderr
  rows = {
    cells[1].strip().rpartition('/')[2]: [c.strip() for c in cells[2:-1]]
    for cells in (r.split('│') for r in shown.splitlines() if r[:1] == '│')
  }
  assert rows['a_failing'] == ['3', '', '', 'failed']
  assert rows['b_diverging'] == ['3', '', '', 'diverged']
  assert [rows['c_wrong'][i] for i in (1, 3)] == [
    '0 of 1',
    'claims do not hold',
  ]
  assert rows['other'][0] == '2'
  assert float(rows['other'][2]) > 0
  assert 'expected 9.9 +- 1%: DOES NOT HOLD' in shown
  assert shown.endswith('2 of 5 configs are done\n')


def test_at_smoke_scale_no_claim_is_checked(lab, capsys):
  copy(lab, lab.config, ('1.3, 0.01', '9.9, 0.01'))
  call = ['reproduce', '--all', '--scale', 'smoke']
  assert lab.command(*call) == errors.DONE
  assert 'claims' not in capsys.readouterr().out.splitlines()[1]
  assert lab.command('reproduce', lab.config, '--scale=smoke') == errors.DONE


def test_a_config_without_a_figure_is_not_one_of_all(pair):
  copy(pair, 'configs/toy/bare.py', ("FIGURE = 'toy_figure'", ''))
  assert several.find() == [OTHER, pair.config]


def test_what_took_least_the_last_time_comes_first(pair):
  records.write(pair.root / several.KEPT / 'walk.json', {'seconds': 1.0})
  assert several.find() == [pair.config, OTHER]
  records.write(pair.root / several.KEPT / 'other.json', {'seconds': 0.5})
  assert several.find() == [OTHER, pair.config]


def test_configs_that_say_so_share_what_was_done(lab, capsys):
  shared = ("FIGURE = 'toy_figure'", "FIGURE = 'toy_figure'; SHARED = 'both'")
  copy(lab, OTHER, shared, ('range(3)', 'range(2, 5)'), ('1.3, 0.01', '1, 9'))
  copy(lab, lab.config, shared)
  assert lab.command('reproduce', '--all') == errors.DONE
  assert lab.command('reproduce', '--all', '--workdir=out') == errors.DONE
  assert 'has changed' not in capsys.readouterr().out
  for folder in ('runs/both/laptop', 'out/both'):
    assert len(list(lab.root.glob(f'{folder}/runs/*'))) == 5  # Not six.
  assert lab.command('reproduce', lab.config) == errors.DONE
  assert 'none to run; runs/both/laptop' in capsys.readouterr().out


def test_two_that_would_have_one_directory_are_refused(pair, capsys):
  copy(pair, 'configs/more/walk.py')
  line = usage_error(pair, capsys, '--all', '--workdir=out')
  assert 'would both have out/walk' in line
  assert pair.command('reproduce', '--all', '--dry-run') == errors.DONE


def test_options_may_stand_between_the_configs(pair, capsys):
  call = ['reproduce', pair.config, '--dry-run', OTHER]
  assert pair.command(*call) == errors.DONE
  shown = capsys.readouterr().out
  assert 'runs/toy/walk/laptop' in shown and 'runs/toy/other/laptop' in shown
  assert not (pair.root / 'started.txt').exists()


@pytest.mark.parametrize(
  'arguments, said',
  [
    ([], 'Name a CONFIG to reproduce, or --all of them.'),
    (['--all', OTHER], f'leave out {OTHER}, or --all.'),
    ([OTHER, 'configs/toy/wlak.py'], "did you mean 'walk.py'"),
    (
      ['--all', '--config.seed=1'],
      '--config.seed=1 is about one config, and 2',
    ),
    (['--all', '--sweep=seed'], '--sweep is about one config'),
    (['--all', '--al'], "No option '--al'"),
  ],
)
def test_a_call_that_is_wrong_is_one_line_and_starts_nothing(
  pair, capsys, arguments, said
):
  assert said in usage_error(pair, capsys, *arguments)
  assert not (pair.root / 'started.txt').exists()


def test_all_of_nothing_says_where_it_looked(lab, capsys):
  (lab.root / lab.config).unlink()
  assert 'No config with a FIGURE in ./configs' in usage_error(
    lab, capsys, '--all'
  )


def test_a_signal_stops_all_and_the_same_command_goes_on(pair, capsys):
  copy(pair, OTHER, ("harm=''", "harm='SIGTERM'"), ('at=0', 'at=2'))
  call = ['reproduce', '--all']
  assert pair.command(*call) == errors.PREEMPTED
  assert 'continue with: paramspace reproduce --all' in capsys.readouterr().err
  assert pair.command(*call) == errors.DONE
  assert pair.started == ['0 1 2', '0 1 2', '0 1 2']
