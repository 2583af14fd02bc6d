import signal

import pytest

from paramspace.launch import preemption


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop(number, capfd):
  with preemption.watch() as stop:
    assert not stop(1)
    assert not stop.requested
    signal.raise_signal(number)
    assert stop(2)
    assert stop.requested
  assert 'press Ctrl-C again' in capfd.readouterr().err


def test_the_second_ctrl_c_stops_at_once():
  with preemption.watch() as stop:
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
      signal.raise_signal(signal.SIGINT)
    assert stop.requested


def test_a_scheduler_that_asks_again_does_not_break_the_save(capfd):
  with preemption.watch() as stop:
    for _ in range(3):
      signal.raise_signal(signal.SIGTERM)
    assert stop.requested
  assert capfd.readouterr().err.count('stopping') == 1


def test_with_several_processes_sigterm_is_left_to_jax():
  before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
  with preemption.watch(processes=2) as stop:
    assert signal.getsignal(signal.SIGTERM) == before[0]
    assert signal.getsignal(signal.SIGINT) != before[1]
    assert not stop.requested
  assert signal.getsignal(signal.SIGINT) == before[1]


def test_the_former_handlers_come_back():
  before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
  with pytest.raises(ZeroDivisionError), preemption.watch():
    raise ZeroDivisionError
  after = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
  assert before == after
