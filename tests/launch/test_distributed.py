"""What `--distributed` may say, and what a process alone does with it."""

import os
import subprocess
import sys

import jax
import pytest

from paramspace.launch import distributed
from paramspace.launch import errors


def test_a_coordinator_with_n_and_i_is_read():
  spec = distributed.parse('host-0.pods:8476,16,15')
  assert spec == ('explicit', 'host-0.pods:8476', 16, 15)


@pytest.mark.parametrize('mode', ['off', 'auto'])
def test_a_word_is_read(mode):
  assert distributed.parse(mode).mode == mode


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', "auto, off or COORDINATOR,N,I, .* got ''"),
    ('on', "auto, off or COORDINATOR,N,I, .* got 'on'"),
    ('10.0.0.1:8476,2', "COORDINATOR,N,I, .* got '10.0.0.1:8476,2'"),
    ('10.0.0.1,2,0', "HOST:PORT, got '10.0.0.1'"),
    (':8476,2,0', "HOST:PORT, got ':8476'"),
    ('a:port,2,0', "HOST:PORT, got 'a:port'"),
    ('a:1,two,0', "whole numbers, got 'two' and '0'"),
    ('a:1,2,-1', "whole numbers, got '2' and '-1'"),
    ('a:1,2,2', 'from 0 to N - 1; got I = 2 of N = 2'),
  ],
)
def test_anything_else_is_refused_in_one_line(text, message):
  with pytest.raises(errors.UsageError, match=message) as error:
    distributed.parse(text)
  assert '\n' not in str(error.value)


def test_off_is_one_process_that_writes_and_agrees_with_itself():
  assert distributed.initialize(distributed.parse('off')) == 1
  assert distributed.is_main()
  assert distributed.agree(True)
  assert not distributed.agree(False)
  distributed.shutdown()


def test_auto_without_a_cluster_says_that_it_runs_alone():
  done = in_a_process(
    'from paramspace.launch import distributed',
    'print(distributed.initialize(distributed.parse("auto")))',
    'print(distributed.is_main())',
  )
  assert 'no other host; running alone' in done.stdout
  assert done.stdout.splitlines()[-2:] == ['1', 'True']


def test_parsing_and_asking_who_writes_do_not_import_jax():
  done = in_a_process(
    'import sys',
    'from paramspace.launch import distributed, preemption',
    'distributed.initialize(distributed.parse("off"))',
    'distributed.parse("a:1,2,0"), distributed.is_main()',
    'distributed.shutdown()',
    'with preemption.watch() as stop:',
    '  assert not stop(1)',
    'print("jax" in sys.modules)',
  )
  assert done.stdout == 'False\n'


def test_a_heartbeat_that_is_no_number_is_refused(monkeypatch):
  monkeypatch.setenv(distributed.HEARTBEAT, 'soon')
  with pytest.raises(errors.UsageError, match=r"whole number .* got 'soon'"):
    distributed.initialize(distributed.parse('127.0.0.1:1,2,0'))
  assert not jax.distributed.is_initialized()


def in_a_process(*lines):
  return subprocess.run(
    [sys.executable, '-c', '\n'.join(lines)],
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    check=True,
  )
