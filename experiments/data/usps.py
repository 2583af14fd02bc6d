"""The handwritten digits of the US Postal Service, in one MATLAB file."""

import pathlib

import numpy as np

SIDE, CLASSES, TRAIN = 16, 10, 7_291
VARIABLE = 'usps_all'


def read(path: str | pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
  """Reads all images and labels: those to train on, then those to test on.

  Args:
    path: The file. Its variable `usps_all` has a row of 256 grey levels and a
      label, 1 to 10 for the digits 0 to 9, for each image.

  Returns:
    Images, uint8 `[n, 16, 16, 1]`, and labels, uint8 `[n]`. Of all 9,298 the
    first 7,291 are the training set.

  Raises:
    ValueError: If the file is not MATLAB's, lacks the variable, or the variable
      has another shape or type, or a label that is no digit's.

  References:
    Hull, 1994, https://doi.org/10.1109/34.291440.
  """
  from scipy import io  # Takes half a second, that other sets need not pay.

  try:
    content = io.loadmat(path, variable_names=[VARIABLE])
  except (ValueError, NotImplementedError, io.matlab.MatReadError) as error:
    raise ValueError(
      f'{path} is not a MATLAB file that can be read: {error}. Fetch it again.'
    ) from error
  rows = content.get(VARIABLE)
  expected = f'uint8 [n, {SIDE**2 + 1}]'
  if rows is None:
    raise ValueError(f'{path} has no variable {VARIABLE!r}, {expected}.')
  if rows.dtype != np.uint8 or rows.shape[1:] != (SIDE**2 + 1,):
    raise ValueError(
      f'{VARIABLE!r} in {path} is {rows.dtype} {list(rows.shape)}, expected '
      f'{expected}: it is another version.'
    )
  images, labels = rows[:, :-1], rows[:, -1]
  wrong = (labels < 1) | (labels > CLASSES)
  if wrong.any():
    row = int(np.argmax(wrong))
    raise ValueError(
      f'{path} has label {labels[row]} in row {row}, expected 1 to {CLASSES}. '
      'It is damaged: fetch it again.'
    )
  return images.reshape(-1, SIDE, SIDE, 1), labels - 1
