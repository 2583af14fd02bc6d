"""The template for a TPU slice says what the command understands."""

import pathlib

import pytest
import yaml

from paramspace import cli
from paramspace.launch import config as configs
from paramspace.launch import distributed
from paramspace.launch.executors import dispatched

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def job():
  path = ROOT / 'experiments' / 'pods' / 'jobset.yaml'
  return yaml.safe_load(path.read_text(encoding='utf-8'))['spec']


@pytest.fixture(scope='module')
def replicated(job):
  (found,) = job['replicatedJobs']
  return found['template']['spec']


@pytest.fixture(scope='module')
def container(replicated):
  (found,) = replicated['template']['spec']['containers']
  return found


def test_its_command_is_one_that_the_cli_takes(container, monkeypatch):
  name, *arguments = container['command']
  assert name == 'paramspace'
  monkeypatch.chdir(ROOT)
  options = cli._parse(arguments)
  assert distributed.parse(options.distributed).mode == 'auto'
  module = configs.load(options.config)
  made = configs.make(module, options.scale, options.overrides)
  assert made.execution.sharding == 'data'


def test_what_it_writes_is_on_the_shared_volume(replicated, container):
  (mount,) = container['volumeMounts']
  (workdir,) = [a for a in container['command'] if a.startswith('--workdir=')]
  assert workdir.startswith(f'--workdir={mount["mountPath"]}/')
  (volume,) = replicated['template']['spec']['volumes']
  assert volume['name'] == mount['name']


def test_it_starts_again_after_the_exit_codes_that_ask_for_it(job, replicated):
  assert job['failurePolicy']['maxRestarts'] > 0
  (final,) = job['failurePolicy']['rules']
  assert final['action'] == 'FailJobSet'
  assert final['onJobFailureReasons'] == ['PodFailurePolicy']
  (rule,) = replicated['podFailurePolicy']['rules']
  codes = rule['onExitCodes']
  assert (rule['action'], codes['operator']) == ('FailJob', 'NotIn')
  assert set(codes['values']) == dispatched.RETRYABLE
  # Kubernetes asks for these with a pod failure policy.
  assert replicated['template']['spec']['restartPolicy'] == 'Never'
  assert replicated['backoffLimit'] == 0


def test_every_host_of_the_slice_has_a_pod(replicated, container):
  selector = replicated['template']['spec']['nodeSelector']
  topology = selector['cloud.google.com/gke-tpu-topology']
  chips = 1
  for side in topology.split('x'):
    chips *= int(side)
  hosts = chips // container['resources']['limits']['google.com/tpu']
  assert replicated['parallelism'] == replicated['completions'] == hosts
