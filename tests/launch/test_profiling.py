import contextlib

import jax.numpy as jnp
import ml_collections
import pytest

from paramspace.launch import batch
from paramspace.launch import errors
from paramspace.launch import profiling
from paramspace.launch import run

CONFIG = ml_collections.ConfigDict({'study': 's'}).lock()


@pytest.mark.parametrize(
  'text', ['', '3', '3:', ':3', '5:5', '6:5', '-1:2', 'a:b']
)
def test_what_is_no_window_is_a_usage_error(text):
  with pytest.raises(errors.UsageError, match='START:STOP'):
    profiling.parse(text)


def test_a_run_traces_its_window_and_says_where(tmp_path, capfd):
  one = run.Run(tmp_path, CONFIG, profile=profiling.parse('2:4'))
  one.start({}, resume=False)
  for step in range(1, 7):
    one.log(step, loss=jnp.ones(()) * step)
    one.should_stop(step)
    shown = capfd.readouterr().out
    assert ('The trace is in' in shown) == (step == 4)
  one.close()
  assert len(list(tmp_path.glob('profile/**/*.xplane.pb'))) == 1


@pytest.mark.parametrize('fails', [False, True])
def test_a_trace_ends_with_the_run(tmp_path, fails):
  one = run.Run(tmp_path, CONFIG, profile=profiling.parse('0:100'))
  with contextlib.suppress(ZeroDivisionError), contextlib.closing(one):
    one.start({}, resume=False)
    one.should_stop(1)
    assert not fails or 1 / 0
  assert list(tmp_path.glob('profile/**/*.xplane.pb'))


def test_a_batch_traces_into_its_first_member(tmp_path):
  runs = [run.Run(tmp_path / str(i), CONFIG) for i in range(2)]
  made = batch.BatchRun(
    tmp_path / 'group', runs, 2, profile=profiling.parse('1:2')
  )
  for step in (1, 2, 3):
    made.should_stop(step)
  made.close()
  assert list(tmp_path.glob('0/profile/**/*.xplane.pb'))
  assert not (tmp_path / '1').exists()


def test_steps_that_were_done_before_are_not_traced(tmp_path):
  state = {'x': jnp.ones(2)}
  first = run.Run(tmp_path, CONFIG)
  first.start({}, resume=False)
  first.checkpoints.save(5, state)
  first.close()
  again = run.Run(tmp_path, CONFIG, profile=profiling.parse('0:3'))
  again.start({}, resume=True)
  again.checkpoints.restore(state)
  again.should_stop(6)
  again.close()
  assert not (tmp_path / 'profile').exists()
