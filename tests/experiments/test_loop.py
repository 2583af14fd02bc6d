"""The training loop that goes on where it was stopped."""

import ml_collections
import numpy as np
import pytest

from experiments.training import loop
from paramspace.launch import errors
from paramspace.launch import run as runs

CONFIG = ml_collections.ConfigDict({'nonfinite': 'stop'})


def train(folder, stop=lambda step: False):
  """A recurrence in which every step counts, 20 steps long."""

  def advance(state, first, last):
    for step in range(first, last):
      state = {'x': np.float32(state['x'] * 1.1 + step)}
    return state, {'loss': state['x']}

  folder.mkdir(exist_ok=True)
  run = runs.Run(folder, CONFIG, stop)
  try:
    return loop.train(
      run,
      {'x': np.float32(1)},
      loop.stops(20, 4, also=[7]),
      advance,
      checkpoint_seconds=1e9,
    )
  finally:
    run.close()


def test_batches_are_a_function_of_seed_and_epoch():
  order = loop.order(3, 7, 20, 5)
  assert order.dtype == np.int32
  np.testing.assert_array_equal(order, loop.order(3, 7, 20, 5))
  assert (order != loop.order(4, 7, 20, 5)).any()
  assert (order != loop.order(3, 8, 20, 5)).any()


def test_the_batches_of_an_epoch_hold_every_image_once():
  assert sorted(loop.order(0, 0, 20, 5).flat) == list(range(20))


def test_images_that_fill_no_batch_come_in_other_epochs():
  orders = [loop.order(0, epoch, 22, 5) for epoch in range(20)]
  assert {len(np.unique(order)) for order in orders} == {20}
  assert len(np.unique(orders)) == 22


def test_a_slice_of_the_batches_is_the_same_whatever_its_bounds():
  whole = loop.batches(3, 0, 9, 22, 5)
  assert whole.shape == (9, 5)
  np.testing.assert_array_equal(whole[3:8], loop.batches(3, 3, 8, 22, 5))
  np.testing.assert_array_equal(whole[4:8], loop.order(3, 1, 22, 5))


@pytest.mark.parametrize('step', [4, 7, 16])
def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path, step):
  with pytest.raises(errors.Preempted, match=f'Saved at step {step} of 20'):
    train(tmp_path / 'a', stop=lambda now: now == step)
  calm, resumed = train(tmp_path / 'b'), train(tmp_path / 'a')
  assert calm['x'].tobytes() == resumed['x'].tobytes()


def test_a_training_that_is_done_is_not_stopped_any_more(tmp_path):
  train(tmp_path, stop=lambda now: now == 20)
