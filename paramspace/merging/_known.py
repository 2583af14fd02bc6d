"""What rounds have concluded, as JSON, so that a merge can go on with it."""

from typing import Any

import numpy as np

from paramspace.merging import _job

_KEYS = {kind.__name__: kind for kind in (bool, int, str, _job.Name)}


def dumped(known: _job.Known) -> dict[str, Any]:
  """Returns what JSON can hold, of which `loaded` makes the same bits."""
  return {
    'prunes': _dumped(known.prunes),
    'combine': _dumped(known.combine),
    'guessed': known.guessed is not None,
  }


def loaded(kept: dict[str, Any], job: _job.Job) -> _job.Known:
  """Returns what the same merge had found before it was stopped."""
  prunes, combine = (_loaded(kept[field]) for field in ('prunes', 'combine'))
  return _job.Known(prunes, combine, job.late if kept['guessed'] else None)


def _dumped(x: Any) -> Any:
  if isinstance(x, dict):
    rows = [[type(k).__name__, k, _dumped(v)] for k, v in x.items()]
    return {'dict': rows}
  if isinstance(x, list | tuple):
    return {type(x).__name__: [_dumped(v) for v in x]}
  x = np.asarray(x)
  return {'dtype': str(x.dtype), 'shape': x.shape, 'bytes': x.tobytes().hex()}


def _loaded(kept: dict[str, Any]) -> Any:
  if 'dict' in kept:
    return {_KEYS[kind](k): _loaded(v) for kind, k, v in kept['dict']}
  for kind in (list, tuple):
    if kind.__name__ in kept:
      return kind(_loaded(v) for v in kept[kind.__name__])
  flat = np.frombuffer(bytes.fromhex(kept['bytes']), kept['dtype'])
  return flat.reshape(kept['shape'])
