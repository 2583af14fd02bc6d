"""Package metadata and dependencies."""

import pathlib

import setuptools

TEXT = ['huggingface_hub>=0.30', 'tokenizers>=0.20']
TEST = [
  *TEXT,
  'chex>=0.1.88',
  'equinox>=0.13',
  'optuna>=4.0',
  'pyarrow>=16',
  'pytest>=8',
  'pytest-xdist>=3.6',
  'ray>=2.40',
  'ruff>=0.12',
  'selenium>=4.20',
  'submitit>=1.5',
  'tensorboardX>=2.6',
]

setuptools.setup(
  name='paramspace',
  version='0.1.0',
  description='Parameter-space experiments as pure transforms of JAX pytrees.',
  long_description=pathlib.Path('README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  license_files=['LICENSE'],
  packages=setuptools.find_packages(
    include=['paramspace', 'paramspace.*', 'experiments', 'experiments.*']
  ),
  package_data={
    'paramspace.launch.report': ['page.html', 'page.css', 'page.js']
  },
  python_requires='>=3.11',
  install_requires=[
    'flax>=0.10',
    'jax>=0.10',
    'matplotlib>=3.9',
    'ml_collections>=1.0',
    'ml_dtypes>=0.5',
    'numpy>=2.0',
    'optax>=0.2.4',
    'orbax-checkpoint>=0.12',
    'pooch>=1.8',
    'PyYAML>=6.0',
    'rich>=13.7',
    'safetensors>=0.8',
    'scikit-learn>=1.5',
    'scipy>=1.13',
    'threadpoolctl>=3.1',
  ],
  extras_require={
    'test': TEST,
    'text': TEXT,
    'benchmark': ['mergekit>=0.1.5'],
    'ray': ['ray>=2.40'],
    'slurm': ['submitit>=1.5'],
    'search': ['optuna>=4.0'],
    'lapx': ['lapx>=0.11'],
    'parquet': ['pyarrow>=16'],
    'tensorboard': ['tensorboardX>=2.6'],
    'wandb': ['wandb>=0.18'],
    'cuda': ['jax[cuda12]>=0.10'],
    'tpu': ['jax[tpu]>=0.10'],
  },
  entry_points={'console_scripts': ['paramspace = paramspace.cli:command']},
)
