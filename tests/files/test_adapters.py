"""LoRA adapters on disk: PEFT's arithmetic, and what is refused."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from paramspace.files import adapters
from paramspace.files import disk
from paramspace.files import lazy
from paramspace.files import manifest
from paramspace.files import safetensors

CONFIG = {'peft_type': 'LORA', 'r': 2, 'lora_alpha': 3}
SHAPES = {'q': (2, 3), 'c': (3, 2), 'e': (3, 2)}  # Linear, Conv1D, Embedding.

# By PEFT 0.21.2: `merge_and_unload` of what `steps` gives for base, A and B.
PEFT = {
  ('q', False): [
    [-0.1171875, -0.2109375, 0.3515625],
    [-0.3359375, 0.5078125, -0.1796875],
  ],
  ('c', False): [
    [-0.1171875, -0.2109375],
    [0.1640625, 0.1328125],
    [0.2265625, -0.1796875],
  ],
  ('q', True): [
    [-0.01039808988571167, -0.29831066727638245, 0.34185436367988586],
    [-0.42331066727638245, 0.6146019101142883, -0.15056312084197998],
  ],
  ('c', True): [
    [-0.01039808988571167, -0.29831066727638245],
    [0.07668933272361755, 0.23960191011428833],
    [0.21685436367988586, -0.15056312084197998],
  ],
}


def steps(shape, by):
  values = np.arange(np.prod(shape)) * by % 7 - 3
  return (values.reshape(shape) / 8).astype(np.float32)


def write(folder, tensors, **config):
  folder.mkdir(exist_ok=True)
  (folder / 'adapter_config.json').write_text(json.dumps(CONFIG | config))
  stored = {f'base_model.model.{n}': x for n, x in tensors.items()}
  safetensors.save(folder / lazy.ADAPTER, stored)
  return folder


def held(**modules):
  return disk.held({m: {'weight': x} for m, x in modules.items()})


def linear(module='q', rank=2, shape=(2, 3), dtype=np.float32):
  a, b = steps((rank, shape[1]), 5), steps((shape[0], rank), 2)
  return {
    f'{module}.lora_A.weight': a.astype(dtype),
    f'{module}.lora_B.weight': b.astype(dtype),
  }


BASE = held(q=steps((2, 3), 3))


@pytest.mark.parametrize('rooted', [False, True])
@pytest.mark.parametrize('module', ['q', 'c', 'e'])
def test_the_arithmetic_is_that_of_peft(tmp_path, module, rooted):
  shape = SHAPES[module]
  tensors = linear(module, shape=shape if module == 'q' else shape[::-1])
  if module == 'e':
    ends = {'lora_A.weight': 'lora_embedding_A'}
    ends['lora_B.weight'] = 'lora_embedding_B'
    tensors = {f'e.{ends[n[2:]]}': x for n, x in tensors.items()}
  path = write(
    tmp_path, tensors, fan_in_fan_out=module == 'c', use_rslora=rooted
  )
  tree = adapters.apply(held(**{module: steps(shape, 3)}), path)
  found = tree.read(f'{module}/weight')
  wanted = PEFT['c' if module == 'e' else module, rooted]
  np.testing.assert_allclose(found, wanted, rtol=1e-6)
  assert found.dtype == np.float32


def test_a_kernel_of_a_convolution_is_moved_as_a_matrix(tmp_path):
  a, b = steps((2, 3, 2, 2), 5), steps((5, 2, 1, 1), 2)
  tensors = {'q.lora_A.weight': a, 'q.lora_B.weight': b}
  tree = adapters.apply(
    held(q=np.zeros((5, 3, 2, 2), np.float32)), write(tmp_path, tensors)
  )
  wanted = 1.5 * np.einsum('or,rihw->oihw', b[:, :, 0, 0], a)
  np.testing.assert_allclose(tree.read('q/weight'), wanted, rtol=1e-6)


def test_a_pattern_gives_modules_a_rank_and_a_scale_of_their_own(tmp_path):
  names = ['layers.0.q', 'layers.1.q', 'layers.11.q']
  ranks = [2, 1, 2]
  tensors = {}
  for name, rank in zip(names, ranks, strict=True):
    tensors |= linear(name, rank)
  path = write(
    tmp_path,
    tensors,
    rank_pattern={r'^layers\.1\.q': 1},
    alpha_pattern={'1.q': 7, 'layers.11.q': 9},
  )
  base = {f'layers/{i}/q/weight': np.zeros((2, 3)) for i in (0, 1, 11)}
  tree = adapters.apply(disk.held(base), path)
  scales = [3 / 2, 7 / 1, 9 / 2]
  for name, scale in zip(names, scales, strict=True):
    a, b = tensors[f'{name}.lora_A.weight'], tensors[f'{name}.lora_B.weight']
    found = tree.read(f'{name.replace(".", "/")}/weight')
    wanted = scale * (b.astype(np.float64) @ a.astype(np.float64))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)  # As the base.


def test_leaves_that_are_whole_replace_those_of_the_base(tmp_path):
  base = {'q/weight': steps((2, 3), 3), 'q/bias': np.zeros(2, np.float32)}
  base |= {'norm/weight': np.ones(3, np.float32), 'n': np.arange(3)}
  whole = np.float32([5, 6])
  saved = {
    'q.base_layer.bias': whole,
    'norm.modules_to_save.weight': whole[[0, 1, 0]],
    'norm.original_module.weight': np.zeros(3, np.float32),
  }
  path = write(tmp_path, linear() | saved, bias='all', modules_to_save=['norm'])
  tree = adapters.apply(disk.held(base), path)
  assert list(tree.leaves) == list(disk.held(base).leaves)
  np.testing.assert_array_equal(tree.read('q/bias'), whole)
  np.testing.assert_array_equal(tree.read('norm/weight'), [5, 6, 5])
  np.testing.assert_array_equal(tree.read('n'), base['n'])
  assert {f.name for f in tree.files} >= {'adapter_config.json', lazy.ADAPTER}


def test_a_narrow_base_is_moved_in_float32_and_counts_as_narrow(tmp_path):
  base = held(q=np.full((2, 3), 1.0, jnp.bfloat16))
  tensors = linear(dtype=jnp.bfloat16)
  tensors['q.lora_B.weight'] *= np.asarray(1 / 256, jnp.bfloat16)
  tree = adapters.apply(base, write(tmp_path, tensors))
  leaf = tree.leaves['q/weight']
  assert (leaf.dtype, leaf.stands_for) == (np.float32, jnp.bfloat16)
  b, a = (tensors[f'q.lora_{x}.weight'].astype(np.float64) for x in 'BA')
  found = tree.read('q/weight')
  np.testing.assert_allclose(found - 1, 1.5 * b @ a, rtol=1e-3)
  assert len(np.unique(found.astype(jnp.bfloat16))) < len(np.unique(found))


@pytest.mark.parametrize(
  ('config', 'message'),
  [
    ({'peft_type': 'LOHA'}, "peft_type 'LOHA' is not supported"),
    ({'use_dora': True}, 'use_dora'),
    ({'lora_bias': True}, 'lora_bias'),
    ({'use_qalora': True}, 'use_qalora'),
    ({'layer_replication': [[0, 2]]}, 'layer_replication'),
    ({'trainable_token_indices': [1]}, 'trainable_token_indices'),
    ({'target_parameters': ['experts']}, 'target_parameters'),
    ({'alora_invocation_tokens': [1]}, 'alora_invocation_tokens'),
    ({'use_what_comes': 1}, 'use_what_comes'),
    ({'init_lora_weights': 'pissa_niter_4'}, 'pissa_niter_4.*changes the base'),
    ({'r': 3}, "factors of 'q' are .* says rank 3"),
    ({'r': 0}, 'r should be a rank, got 0'),
    ({'r': True}, 'r should be a rank'),
    ({'lora_alpha': None}, 'lora_alpha should be a number'),
    ({'lora_alpha': float('nan')}, 'lora_alpha should be a number'),
    ({'rank_pattern': {'(': 2}}, 'rank_pattern'),
    ({'alpha_pattern': [2]}, 'alpha_pattern should be a dict'),
    ({'use_rslora': 1}, 'use_rslora should be a bool'),
    ({'fan_in_fan_out': True}, r'is \[3, 2\], and the leaf of the base \[2, 3'),
  ],
)
def test_what_changes_the_values_and_is_not_known_is_named(
  tmp_path, config, message
):
  path = write(tmp_path, linear(), **config)
  with pytest.raises(ValueError, match=message):
    adapters.apply(BASE, path)


@pytest.mark.parametrize(
  ('tensors', 'message'),
  [
    ({'q.lora_magnitude_vector.weight': np.ones(2)}, 'no factor of LoRA'),
    ({'e.token_adapter.deltas': np.ones(2)}, 'no factor of LoRA'),
    ({'q.lora_embedding_A': np.ones((2, 3))}, "'q' should have an A and a B"),
    (linear('k'), "adapts 'k/weight', which .* near misses"),
    ({'more.weight': np.ones(2)}, "adapts 'more/weight'"),
  ],
)
def test_a_tensor_that_moves_no_leaf_is_named(tmp_path, tensors, message):
  path = write(tmp_path, linear() | tensors)
  with pytest.raises(ValueError, match=message):
    adapters.apply(BASE, path)


def test_an_adapter_is_no_pickle_and_no_link(tmp_path):
  path = write(tmp_path / 'a', linear())
  (path / 'adapter_config.json').write_text('[]')
  with pytest.raises(manifest.Damaged, match='no JSON object'):
    adapters.apply(BASE, path)
  (tmp_path / 'mine.json').write_text(json.dumps(CONFIG))
  (path / 'adapter_config.json').unlink()
  (path / 'adapter_config.json').symlink_to(tmp_path / 'mine.json')
  with pytest.raises(ValueError, match='link out of its folder'):
    adapters.apply(BASE, path)
  path = write(tmp_path / 'b', {})
  (path / lazy.ADAPTER).rename(path / 'adapter_model.bin')
  with pytest.raises(ValueError, match='pickle'):
    adapters.apply(BASE, path)
