"""The binary version of CIFAR-10."""

import pathlib

import numpy as np

SIDE, CHANNELS, CLASSES = 32, 3, 10
RECORD = 1 + CHANNELS * SIDE * SIDE  # A label, then red, green, blue planes.


def read(path: str | pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Reads one batch file of CIFAR-10's binary version.

  Args:
    path: The file: records of a label byte and 3,072 pixel bytes.

  Returns:
    Images, uint8 `[n, 32, 32, 3]`, and labels, uint8 `[n]`.

  Raises:
    ValueError: If the file does not consist of whole records, or a label is
      not one of the ten.

  References:
    Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
  """
  data = np.fromfile(path, np.uint8)
  if data.size == 0 or data.size % RECORD:
    raise ValueError(
      f'{path} has {data.size} bytes, expected a positive multiple of '
      f'{RECORD}, the size of a record. It is damaged: fetch it again.'
    )
  records = data.reshape(-1, RECORD)
  labels = records[:, 0]
  if labels.max() >= CLASSES:
    row = int(np.argmax(labels >= CLASSES))
    raise ValueError(
      f'{path} has label {labels[row]} in record {row}, expected 0 to '
      f'{CLASSES - 1}. It is damaged, or not the binary version: fetch it '
      'again.'
    )
  planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
  return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
