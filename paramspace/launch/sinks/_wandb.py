"""Runs of Weights & Biases, online or offline as WANDB_MODE says."""

import html
import pathlib
from collections.abc import Mapping
from typing import Any

import wandb


class Writer:
  """Writes to the run whose id is the point's, and to `<run>/wandb`."""

  def __init__(
    self,
    folder: pathlib.Path,
    config: Mapping[str, Any],
    meta: Mapping[str, Any],
  ):
    """Opens the run, or goes on with it; WANDB_PROJECT and the like hold.

    The steps that it has already are left as they are: a run that goes on gets
    the same numbers again.
    """
    del config
    self._run = wandb.init(
      id=folder.name,
      resume='allow',
      dir=folder,
      config={'meta': dict(meta)},
      # The rows of a batch are runs that are open at the same time.
      reinit='create_new',
    )

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    """Writes numbers of a step."""
    self._run.log(dict(scalars), step=step)

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    """Writes texts of a step."""
    shown = {k: f'<pre>{html.escape(v)}</pre>' for k, v in texts.items()}
    self._run.log({k: wandb.Html(v) for k, v in shown.items()}, step=step)

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    """Writes a config."""
    self._run.config.update(dict(hparams), allow_val_change=True)

  def flush(self) -> None:
    """Does nothing: wandb's own process sends what it is given."""

  def close(self) -> None:
    """Ends the run, and waits until all of it is written."""
    self._run.finish()
