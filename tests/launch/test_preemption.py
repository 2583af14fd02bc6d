import signal

import pytest

from paramspace.launch import preemption


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop(number, capfd):
  with preemption.watch() as should_stop:
    assert not should_stop()
    signal.raise_signal(number)
    assert should_stop()
  assert 'press Ctrl-C again' in capfd.readouterr().err


def test_the_second_ctrl_c_stops_at_once():
  with preemption.watch() as should_stop:
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
      signal.raise_signal(signal.SIGINT)
    assert should_stop()


def test_a_scheduler_that_asks_again_does_not_break_the_save(capfd):
  with preemption.watch() as should_stop:
    for _ in range(3):
      signal.raise_signal(signal.SIGTERM)
    assert should_stop()
  assert capfd.readouterr().err.count('stopping') == 1


def test_the_former_handlers_come_back():
  before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
  with pytest.raises(ZeroDivisionError), preemption.watch():
    raise ZeroDivisionError
  after = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
  assert before == after
