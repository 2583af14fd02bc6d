"""Joining the processes of many hosts into one program."""

import itertools
import os
import sys
import traceback
from typing import NamedTuple
from typing import TypeVar

from paramspace.launch import errors
from paramspace.launch import terminal

HEARTBEAT = 'PARAMSPACE_HEARTBEAT_SECONDS'
_FORMS = 'auto, off or COORDINATOR,N,I, for example 10.0.0.1:8476,4,0'

T = TypeVar('T', bool, int)

_index = 0  # Which of the processes this is.
_heartbeat = 100  # Seconds of silence after which a process is taken for dead.
_MEETINGS = itertools.count()


class Spec(NamedTuple):
  """What `--distributed` says.

  Attributes:
    mode: 'off', 'auto' or 'explicit'.
    coordinator: The address of process 0, HOST:PORT, if explicit.
    processes: How many processes there are, if explicit.
    index: Which of them this one is, if explicit.
  """

  mode: str
  coordinator: str = ''
  processes: int = 1
  index: int = 0


def parse(text: str) -> Spec:
  """Reads the value of `--distributed`, without JAX.

  Args:
    text: 'off': this process alone. 'auto': what a TPU slice, Slurm, Open MPI
      or Kubernetes say in the environment. Or COORDINATOR,N,I: this is process
      I of N, and process 0 listens at COORDINATOR.

  Raises:
    errors.UsageError: If it is none of these.

  >>> parse('10.0.0.1:8476,4,0')
  Spec(mode='explicit', coordinator='10.0.0.1:8476', processes=4, index=0)
  """
  if text in ('off', 'auto'):
    return Spec(text)
  parts = text.split(',')
  if len(parts) != 3:
    raise errors.UsageError(f'--distributed is {_FORMS}; got {text!r}.')
  coordinator, processes, index = parts
  host, _, port = coordinator.rpartition(':')
  if not host or not port.isdecimal():
    raise errors.UsageError(
      f'The COORDINATOR of --distributed is HOST:PORT, got {coordinator!r}.'
    )
  if not processes.isdecimal() or not index.isdecimal():
    raise errors.UsageError(
      f'N and I of --distributed are whole numbers, got {processes!r} and '
      f'{index!r}.'
    )
  if int(index) >= int(processes):
    raise errors.UsageError(
      f'I of --distributed counts from 0 to N - 1; got I = {index} of '
      f'N = {processes}.'
    )
  return Spec('explicit', coordinator, int(processes), int(index))


def initialize(spec: Spec, heartbeat_seconds: int | None = None) -> int:
  """Joins the other processes, before JAX is used for anything else.

  A process whose peer has died is aborted, with exit code 134, as soon as the
  peer has been silent for `heartbeat_seconds`: no Python runs then, so what
  starts the processes must start all of them again.

  Args:
    spec: From `parse`.
    heartbeat_seconds: None is `$PARAMSPACE_HEARTBEAT_SECONDS`, or else 100,
      as in JAX.

  Returns:
    The number of processes, 1 where there are no others.

  Raises:
    errors.UsageError: If the environment of 'auto' names a coordinator and not
      the processes.
    RuntimeError: If JAX has been used already, or the others do not come.
  """
  global _index, _heartbeat
  if spec.mode == 'off':
    return 1
  _heartbeat = heartbeat_seconds or _heartbeat_of_environment()
  import jax

  options = {
    'heartbeat_timeout_seconds': _heartbeat,
    'shutdown_timeout_seconds': _heartbeat,
  }
  if spec.mode == 'explicit':
    options |= {
      'coordinator_address': spec.coordinator,
      'num_processes': spec.processes,
      'process_id': spec.index,
      # Or else Slurm's variables would choose this process's devices.
      'cluster_detection_method': 'deactivate',
    }
  try:
    jax.distributed.initialize(**options)
  except ValueError as e:
    if 'coordinator_address should be defined' not in str(e):
      raise errors.UsageError(f'--distributed={spec.mode}: {e}') from None
    terminal.line('--distributed=auto found no other host; running alone.')
    return 1
  _index = jax.process_index()
  if _index:
    terminal.mute()
  return jax.process_count()


def shutdown() -> None:
  """Leaves the other processes, after waiting for them; alone, does nothing."""
  if _joined():
    import jax

    jax.distributed.shutdown()


def is_main() -> bool:
  """Whether this process writes what all of them know; alone, it does.

  Also after `shutdown`. Does not import JAX.
  """
  return _index == 0


def alone() -> bool:
  """Whether there is no other process. Does not import JAX."""
  return not _joined() or sys.modules['jax'].process_count() == 1


def agree(value: T) -> T:
  """Returns what process 0 says, on every process; alone, `value`.

  Args:
    value: A boolean or a whole number below 2^31.
  """
  if alone():
    return value
  from jax.experimental import multihost_utils

  return type(value)(multihost_utils.broadcast_one_to_all(int(value)))


def anywhere(value: bool) -> bool:
  """Whether it is so on any of the processes; they all have to ask."""
  if alone():
    return value
  from jax.experimental import multihost_utils

  flags = multihost_utils.process_allgather(int(value))
  return bool(flags.any())


def meet(error: Exception) -> None:
  """Waits for the others after an error, to learn whether a peer has died.

  A step that waits for a dead peer may raise before the peer is known to be
  dead: then this process is aborted here. Where all raised, all go on. Alone,
  does nothing.

  Args:
    error: What was raised here.

  Raises:
    errors.Failed: If the others are alive and do not come; the traceback of
      the error is on stderr.
  """
  if not _joined():
    return
  import jax
  from orbax.checkpoint import multihost

  wait = multihost.get_barrier_sync_fn()
  try:  # By the network: the devices may be waiting for each other.
    wait(key=f'meeting {next(_MEETINGS)}', timeout_ms=2000 * _heartbeat)
  except jax.errors.JaxRuntimeError as e:
    if 'DEADLINE_EXCEEDED' not in str(e):
      os.abort()  # What JAX does too, in another thread, a moment later.
    traceback.print_exception(error)
    raise errors.Failed(
      f'{type(error).__name__} in process {_index} alone; its peers wait for '
      'it and will be aborted.'
    ) from None


def _joined() -> bool:
  jax = sys.modules.get('jax')  # If it is not imported, none has been joined.
  return jax is not None and jax.distributed.is_initialized()


def _heartbeat_of_environment() -> int:
  seconds = os.environ.get(HEARTBEAT, str(_heartbeat))
  if not seconds.isdecimal() or not int(seconds):
    raise errors.UsageError(
      f'${HEARTBEAT} is a whole number of seconds, got {seconds!r}.'
    )
  return int(seconds)
