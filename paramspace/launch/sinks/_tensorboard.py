"""Events for TensorBoard, by tensorboardX."""

import pathlib
from collections.abc import Mapping
from typing import Any

import tensorboardX


class Writer:
  """Writes to `<run>/tensorboard`."""

  def __init__(
    self,
    folder: pathlib.Path,
    config: Mapping[str, Any],
    meta: Mapping[str, Any],
  ):
    """Opens a file of events.

    It tells TensorBoard to forget what an earlier start wrote of the steps that
    are written again.
    """
    del config
    self._from = meta['from_step']
    self._writer = tensorboardX.SummaryWriter(
      str(folder / 'tensorboard'),
      purge_step=self._from,
      # A file is named by the second, and one of the same name is emptied.
      filename_suffix=f'.{meta["start"]}',
    )

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    """Writes numbers of a step."""
    for name, value in scalars.items():
      self._writer.add_scalar(name, value, step)

  def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
    """Writes texts of a step."""
    for name, text in texts.items():
      self._writer.add_text(name, text, step)

  def write_hparams(self, hparams: Mapping[str, Any]) -> None:
    """Writes a config as a table."""
    lines = ['| key | value |', '|---|---|']
    lines += [f'| {key} | {value} |' for key, value in hparams.items()]
    self.write_texts(self._from, {'config': '\n'.join(lines)})

  def flush(self) -> None:
    """Hands what is written to the operating system."""
    self._writer.flush()

  def close(self) -> None:
    """Flushes and closes the file."""
    self._writer.close()
