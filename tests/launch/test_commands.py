"""Every verb on the toy study, as a person would type it."""

import pytest

from paramspace.launch import errors


def usage_error(lab, capsys, *arguments):
  """The one line on stderr of a call that is wrong."""
  assert lab.command(*arguments) == errors.USAGE
  (line,) = capsys.readouterr().err.splitlines()
  return line


def edit(lab, old, new):
  text = (lab.root / lab.config).read_text()
  assert old in text
  lab.write(lab.config, text.replace(old, new))


def test_run_prints_the_result_and_where_it_is(lab, capsys):
  assert lab.command('run', lab.config, '--config.seed=1') == errors.DONE
  shown = capsys.readouterr().out
  (folder,) = lab.root.glob('runs/toy/walk/laptop/runs/*')
  assert 'norm' in shown
  assert f'done: {folder.relative_to(lab.root)}' in shown


def test_run_does_what_its_scale_says(lab):
  lab.command('run', lab.config, '--scale', 'smoke', '--workdir=here')
  (path,) = lab.root.glob('here/runs/*/metrics.jsonl')
  assert len(path.read_text().splitlines()) == 3


def test_run_says_when_it_diverged(lab):
  call = ['run', lab.config, '--config.rate=1e30']
  assert lab.command(*call) == errors.DIVERGED
  assert lab.command(*call) == errors.DIVERGED
  assert lab.started == ['0']


def test_reproduce_shows_the_table_the_figure_and_the_claim(lab, capsys):
  assert lab.command('reproduce', lab.config) == errors.DONE
  shown = capsys.readouterr().out
  assert 'Figure: runs/toy/walk/laptop/figures/walk.svg' in shown
  assert 'expected 1.3 +- 1%: holds; paper 2 (Nobody 1900' in shown
  made = {p.name for p in lab.root.glob('runs/toy/walk/laptop/figures/*')}
  assert made == {'walk.svg', 'walk.png', 'walk.csv', 'walk.json'}


def test_a_claim_that_does_not_hold_is_exit_1(lab, capsys):
  edit(lab, '1.3, 0.01', '9.9, 0.01')
  assert lab.command('reproduce', lab.config) == errors.FAILED
  assert 'DOES NOT HOLD' in capsys.readouterr().out


def test_several_claims_are_all_checked(lab, capsys):
  edit(
    lab,
    "return claims.Claim('mean', 2.0, 1.3, 0.01, 'Nobody 1900, Table 1')",
    "return [claims.Claim('mean', 2.0, x, 0.01, 'Nobody') for x in (1.3, 9.9)]",
  )
  assert lab.command('reproduce', lab.config) == errors.FAILED
  shown = capsys.readouterr().out
  assert shown.count(': holds') == shown.count('DOES NOT HOLD') == 1


def test_a_sweep_of_which_all_diverged_is_exit_3(lab, capsys):
  call = ['reproduce', lab.config, '--config.rate=1e30']
  assert lab.command(*call) == errors.DIVERGED
  assert 'All 3 points diverged' in capsys.readouterr().err


def test_a_config_without_a_figure_shows_its_results(lab, capsys):
  edit(lab, "FIGURE = 'toy_figure'", '')
  assert lab.command('reproduce', lab.config) == errors.DONE
  assert 'norm' in capsys.readouterr().out


def test_a_misspelt_figure_is_known_before_the_work(lab, capsys):
  edit(lab, "'toy_figure'", "'toy_figrue'")
  line = usage_error(lab, capsys, 'reproduce', lab.config)
  assert "did you mean 'toy_figure'" in line
  assert not (lab.root / 'started.txt').exists()


@pytest.mark.parametrize('verb', ['sweep', 'reproduce'])
def test_a_dry_run_lists_the_points_and_starts_nothing(lab, capsys, verb):
  lab.command('run', lab.config, '--config.seed=1')
  capsys.readouterr()
  assert lab.command(verb, lab.config, '--dry-run') == errors.DONE
  group, *points, last = capsys.readouterr().out.splitlines()
  assert group.endswith('3 rows')
  assert [p.split()[1:] for p in points] == [
    ['missing', 'seed=0'],
    ['done', 'seed=1'],
    ['missing', 'seed=2'],
  ]
  assert last == '2 of 3 points missing in runs/toy/walk/laptop'
  assert lab.started == ['1']


def test_a_figure_is_drawn_again_from_the_results_alone(lab, capsys):
  lab.command('sweep', lab.config, '--workdir=here')
  (lab.root / 'toy_study.py').write_text('def run(config, run): 1 / 0\n')
  call = ['figure', lab.config, '--results=here']
  assert lab.command(*call) == errors.DONE
  assert (lab.root / 'here/figures/walk.svg').exists()


def test_a_figure_is_drawn_again_from_what_was_kept_of_it(lab, capsys):
  lab.command('sweep', lab.config, '--workdir=here')
  lab.command('figure', lab.config, '--results=here')
  drawn = lab.root / 'here/figures'
  svg = (drawn / 'walk.svg').read_bytes()
  lab.write('kept/walk.json', (drawn / 'walk.json').read_text())
  assert lab.command('figure', lab.config, '--results=kept') == errors.DONE
  assert (lab.root / 'kept/walk.svg').read_bytes() == svg
  assert (lab.root / 'kept/walk.csv').exists()


def test_what_was_kept_of_a_config_without_a_figure_is_not_drawn(lab, capsys):
  text = (lab.root / lab.config).read_text()
  lab.write(lab.config, text.replace('FIGURE =', 'NO_FIGURE ='))
  lab.write('kept/walk.json', '{"rows": []}')
  line = usage_error(lab, capsys, 'figure', lab.config, '--results=kept')
  assert 'No results of' in line


def test_what_was_kept_of_another_figure_is_refused(lab, capsys):
  lab.write('kept/walk.json', '{"figure": "other", "rows": []}')
  line = usage_error(lab, capsys, 'figure', lab.config, '--results=kept')
  assert 'kept/walk.json holds no rows of' in line


def test_a_figure_of_some_points_says_how_many_are_missing(lab, capsys):
  lab.command('run', lab.config, '--workdir=here')
  call = ['figure', lab.config, '--results=here']
  assert lab.command(*call) == errors.FAILED
  assert '2 of 3 points are missing' in capsys.readouterr().out


def test_a_figure_of_nothing_says_what_to_do(lab, capsys):
  line = usage_error(lab, capsys, 'figure', lab.config, '--results=nowhere')
  assert 'run `paramspace sweep configs/toy/walk.py` first' in line


def test_a_figure_that_cannot_be_written_is_one_line(lab, capsys):
  lab.command('run', lab.config, '--workdir=here')
  lab.write('here/figures', 'x')
  line = usage_error(lab, capsys, 'figure', lab.config, '--results=here')
  assert 'Cannot write to here/figures' in line


def test_a_misspelt_key_is_one_line_and_exit_2_in_a_process_too(lab):
  wrong = lab.process('run', lab.config, '--config.sede=1')
  assert wrong.returncode == errors.USAGE
  assert wrong.stderr == (
    "paramspace: No config key 'sede'; did you mean 'seed'?\n"
  )
  assert wrong.stdout == ''


def test_a_wrong_type_is_one_line(lab, capsys):
  line = usage_error(lab, capsys, 'run', lab.config, '--config.seed=1.5')
  assert "'seed' takes a value of type int such as 0, got '1.5'" in line


def test_an_override_without_a_value_is_one_line(lab, capsys):
  line = usage_error(lab, capsys, 'run', lab.config, '--config.method.bias')
  assert 'write --config.method.bias=VALUE' in line


def test_a_misspelt_study_is_one_line(lab, capsys):
  line = usage_error(lab, capsys, 'run', lab.config, '--config.study=toy_stduy')
  assert "'toy_stduy'; did you mean 'toy_study'" in line


@pytest.mark.parametrize('verb', ['run', 'sweep', 'reproduce'])
def test_a_workdir_that_cannot_be_written_to_is_one_line(lab, capsys, verb):
  lab.write('file', 'x')
  line = usage_error(lab, capsys, verb, lab.config, '--workdir=file/below')
  assert line.startswith('paramspace: Cannot write to file/below: ')
  assert line.endswith('choose another --workdir.')


def test_the_columns_that_a_figure_names_are_those_that_are_printed(
  lab, capsys
):
  lab.write(
    'toy_figure.py',
    (lab.root / 'toy_figure.py').read_text() + "\nCOLUMNS = ('norm',)\n",
  )
  assert lab.command('reproduce', lab.config) == errors.DONE
  (header,) = (
    line for line in capsys.readouterr().out.splitlines() if ' norm ' in line
  )
  assert 'seed' not in header
  csv = lab.root / 'runs/toy/walk/laptop/figures/walk.csv'
  assert csv.read_text().startswith('seed,norm')


def test_what_was_measured_is_printed_under_the_table(lab, capsys):
  assert lab.command('reproduce', lab.config) == errors.DONE
  lines = capsys.readouterr().out.splitlines()
  (line,) = (x for x in lines if x.startswith('mean  '))
  assert line.startswith('mean  1.3')
  assert line.endswith(']')
