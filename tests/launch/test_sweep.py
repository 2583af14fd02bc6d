import shutil
import sys

import pytest

from paramspace.launch import config as configs
from paramspace.launch import errors
from paramspace.launch import executors
from paramspace.launch import metrics
from paramspace.launch import records
from paramspace.launch import run as runs
from paramspace.launch import sweep as sweeps

INLINE = executors.Options('inline')


def test_a_sweep_is_one_program_and_its_results_are_in_its_order(lab):
  found = sweeps.run(sweeps.prepare(lab.config))
  assert [r['config']['seed'] for r in found] == [0, 1, 2]
  assert {r['status'] for r in found} == {'done'}
  assert found[0]['config']['method.name'] == 'walk'
  assert lab.started == ['0 1 2']


def test_the_record_says_how_it_was_executed(lab):
  sweep = sweeps.prepare(lab.config)
  sweeps.run(sweep)
  folder = runs.directory(sweep.workdir, sweep.points[0])
  record = runs.result(folder)
  assert (record['executor'], record['group_size']) == ('vmapped', 3)
  assert record['seconds'] > 0
  meta = records.read(folder / 'meta.json')
  assert meta['devices'] == {
    'platform': 'cpu',
    'count': 8,
    'kinds': ['cpu'],
    'processes': 1,
  }
  assert {'jax', 'numpy', 'python'} <= meta['versions'].keys()


def test_a_finished_sweep_runs_nothing(lab, capsys):
  first = sweeps.run(sweeps.prepare(lab.config))
  assert sweeps.run(sweeps.prepare(lab.config)) == first
  assert lab.started == ['0 1 2']
  assert '3 points done before, none to run' in capsys.readouterr().out


def test_a_point_that_is_missing_gets_the_same_bits_alone(lab):
  sweep = sweeps.prepare(lab.config)
  sweeps.run(sweep)
  whole = lab.results(sweep.workdir)
  shutil.rmtree(runs.directory(sweep.workdir, sweep.points[1]))
  sweeps.run(sweep)
  assert lab.started == ['0 1 2', '1 1 1']
  assert lab.results(sweep.workdir) == whole


def test_groups_have_their_declared_size(lab):
  sweep = sweeps.prepare(
    lab.config, overrides=['--config.execution.group_size=2']
  )
  found = sweeps.run(sweep)
  assert lab.started == ['0 1', '2 2']
  assert len(found) == 3


def test_inline_runs_every_point_on_its_own(lab):
  found = sweeps.run(sweeps.prepare(lab.config, options=INLINE))
  assert lab.started == ['0', '1', '2']
  assert len(found) == 3


def test_results_of_two_kinds_of_program_are_not_mixed_silently(lab, capsys):
  sweeps.run(sweeps.prepare_point(lab.config))
  sweeps.run(sweeps.prepare(lab.config))
  assert 'some results are of inline programs of 1' in capsys.readouterr().out
  assert lab.started == ['0', '1 2 2']


def test_a_finished_sweep_leaves_no_checkpoints(lab):
  for executor in ('inline', 'vmapped'):
    sweep = sweeps.prepare(
      lab.config,
      overrides=['--config.execution.checkpoint_every=2'],
      workdir=f'work/{executor}',
      options=executors.Options(executor),
    )
    sweeps.run(sweep)
    assert not list(sweep.workdir.glob('groups/*'))
    assert not list(sweep.workdir.glob('runs/*/ckpt'))


def test_dying_between_two_results_loses_none(lab, monkeypatch):
  overrides = ['--config.execution.checkpoint_every=3']
  prepare = lambda where: sweeps.prepare(
    lab.config, overrides=overrides, workdir=where
  )
  sweeps.run(prepare('calm'))

  finish, written = runs.Run.finish, []

  def die(self, *args, **kwargs):
    if len(written) == 1:
      raise KeyboardInterrupt
    written.append(finish(self, *args, **kwargs))

  monkeypatch.setattr(runs.Run, 'finish', die)
  with pytest.raises(KeyboardInterrupt):
    sweeps.run(prepare('storm'))
  monkeypatch.setattr(runs.Run, 'finish', finish)
  (first,) = lab.root.glob('storm/runs/*/result.json')
  before = first.read_bytes()
  sweeps.run(prepare('storm'))
  assert first.read_bytes() == before
  assert lab.results('storm') == lab.results('calm')
  assert lab.started == ['0 1 2'] * 3


def test_a_point_lost_while_its_group_was_stopped_is_run_after_it(lab):
  sweep = sweeps.prepare(lab.config)
  sweeps.run(sweep)
  whole = lab.results(sweep.workdir)
  (group,) = sweeps.plan(sweep)
  ids = [p.id for p in sweep.points]
  kept = {'members': ids[1:], 'size': 3}
  records.write(sweep.workdir / 'groups' / group.id / 'group.json', kept)
  shutil.rmtree(sweep.workdir / 'runs')
  sweeps.run(sweep)
  assert lab.started == ['0 1 2', '1 2 2', '0 0 0']
  assert lab.results(sweep.workdir) == whole


def test_a_point_that_diverges_leaves_the_others_bits_alone(lab):
  sweeps.run(sweeps.prepare(lab.config, workdir='calm'))
  calm = lab.results('calm')
  text = (lab.root / lab.config).read_text()
  text = text.replace("{'seed': seed}", "{'seed': seed, 'rate': RATES[seed]}")
  lab.write(lab.config, text + '\nRATES = (0.1, 1e30, 0.1)\n')
  found = sweeps.run(sweeps.prepare(lab.config, workdir='storm'))
  assert [r['status'] for r in found] == ['done', 'diverged', 'done']
  storm = lab.results('storm')
  assert len(calm.keys() & storm.keys()) == 2
  for point in calm.keys() & storm.keys():
    assert calm[point] == storm[point]


def test_a_study_may_raise_that_it_diverged_and_the_others_go_on(lab):
  lab.write(
    'toy_raises.py',
    """
    from paramspace.launch import errors

    def run(config, run):
      if config.seed == 1:
        raise errors.Diverged('The loss is NaN at step 3.')
      return {'seed': config.seed}
    """,
  )
  overrides = ['--config.study=toy_raises']
  found = sweeps.run(sweeps.prepare(lab.config, overrides=overrides))
  assert [r['status'] for r in found] == ['done', 'diverged', 'done']
  assert found[1]['result'] == {'reason': 'The loss is NaN at step 3.'}


def test_a_batch_must_return_a_result_for_each_config(lab):
  lab.write(
    'toy_short.py',
    """
    def run(config, run): return {}

    def run_batch(configs, run): return [{}]

    VMAPPABLE = ('seed',)
    """,
  )
  overrides = ['--config.study=toy_short']
  with pytest.raises(errors.Failed, match='given 3 configs and returned 1'):
    sweeps.run(sweeps.prepare(lab.config, overrides=overrides))


def test_logging_reaches_every_member(lab):
  sweep = sweeps.prepare(lab.config)
  sweeps.run(sweep)
  for point in sweep.points:
    path = runs.directory(sweep.workdir, point) / 'metrics.jsonl'
    rows = metrics.read(path)
    assert [row['step'] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_the_directory_is_named_after_the_config_and_its_scale(lab):
  sweep = sweeps.prepare(lab.config, scale='smoke')
  assert str(sweep.workdir) == 'runs/toy/walk/smoke'
  assert {p.config.steps for p in sweep.points} == {3}


def test_the_index_lists_points_and_groups(lab):
  sweep = sweeps.prepare(lab.config)
  sweeps.write_index(sweep)
  index = records.read(sweep.workdir / 'sweep.json')
  ids = [p.id for p in sweep.points]
  assert index['points'] == ids
  assert [g['points'] for g in index['groups']] == [ids]
  assert index['groups'][0]['size'] == 3


def test_a_directory_that_cannot_be_written_to_is_known_before_the_work(lab):
  lab.write('file', 'x')
  sweep = sweeps.prepare(lab.config, workdir='file/below')
  with pytest.raises(errors.UsageError, match='Cannot write to file/below'):
    sweeps.run(sweep)
  assert not (lab.root / 'started.txt').exists()


def test_a_sweep_over_studies_is_an_error(lab):
  text = (lab.root / lab.config).read_text()
  text = text.replace("{'seed': seed}", "{'study': f'toy_{seed}'}")
  path = lab.write('configs/toy/many.py', text)
  with pytest.raises(errors.UsageError, match='toy_0, toy_1, toy_2'):
    sweeps.prepare(path)


def test_an_unknown_study_names_the_nearest(lab):
  overrides = ['--config.study=toy_stduy']
  with pytest.raises(errors.UsageError, match="did you mean 'toy_study'"):
    sweeps.prepare(lab.config, overrides=overrides)


def test_a_module_that_is_not_a_study_says_so(lab):
  overrides = ['--config.study=toy_figure']
  with pytest.raises(errors.UsageError, match='defines no `run'):
    sweeps.prepare(lab.config, overrides=overrides)


def test_an_unknown_executor_names_the_nearest(lab):
  with pytest.raises(errors.UsageError, match="did you mean 'vmapped'"):
    sweeps.prepare(lab.config, options=executors.Options('vmaped'))


def test_a_study_without_batches_runs_inline_and_not_vmapped(lab):
  lab.write('toy_single.py', 'def run(config, run): return {"x": 1}\n')
  overrides = ['--config.study=toy_single']
  assert sweeps.prepare(lab.config, overrides=overrides).executor.name == (
    'inline'
  )
  with pytest.raises(errors.UsageError, match='use --executor inline'):
    sweeps.prepare(
      lab.config, overrides=overrides, options=executors.Options('vmapped')
    )


def test_a_configs_own_repository_is_searched_first(lab, monkeypatch):
  lab.write('elsewhere/toy_near.py', 'def run(config, run): return {"x": 1}\n')
  text = (lab.root / lab.config).read_text().replace('toy_study', 'toy_near')
  path = lab.write('elsewhere/configs/toy/walk.py', text)
  lab.write('toy_near.py', 'raise ImportError\n')
  assert sweeps.prepare(path).study == 'toy_near'
  found = sys.modules['toy_near'].__file__
  assert found.startswith(str(lab.root / 'elsewhere'))


def test_the_config_that_a_study_gets_is_locked(lab):
  (first, *_) = sweeps.prepare(lab.config).points
  with pytest.raises(AttributeError):
    first.config.sede = 1
  assert configs.flatten(first.config)['seed'] == 0
