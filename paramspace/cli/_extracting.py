"""The verb that writes what one model adds to another."""

import argparse

from paramspace.cli import _bytes
from paramspace.cli import _parsing
from paramspace.cli import _process
from paramspace.cli import _writing
from paramspace.launch import errors


def extract(options: argparse.Namespace) -> int:
  """Writes what a model adds to its base as a LoRA adapter of PEFT."""
  with _process.importing():
    from paramspace import merging
    from paramspace.files import lazy
    from paramspace.launch import terminal

  _process.keep_memory()
  with _writing.usage():
    total = sum(lazy.open(p).nbytes for p in (options.base, options.tuned))
    shown = terminal.interactive()
    with _bytes.progress(total, 'extracting', shown) as advance:
      found = merging.extract_lora(
        options.base,
        options.tuned,
        options.out,
        options.rank,
        others='save' if options.save_others else 'leave',
        out_dtype=options.dtype,
        resume=not options.no_resume,
        overwrite=options.overwrite,
        progress=advance,
      )['extract']
  rows = found['leaves'].items()
  terminal.table([{'leaf': name, **row} for name, row in rows])
  left = [{'left out': name, 'norm': x} for name, x in found['left'].items()]
  terminal.table(left)
  terminal.line(
    f'{len(rows)} matrices in {options.out}: {found["energy"]:.4g} of the '
    f'energy at rank {options.rank}, {len(found["saved"])} other leaves saved, '
    f'{len(left)} left out; digest {found["digest"]}'
  )
  return errors.DONE


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parser of this file's verb."""
  parser = _parsing.add(subparsers, extract)
  for name in ('base', 'tuned'):
    parser.add_argument(name, metavar=name.upper(), help='a model on disk')
  _writing.add_out(parser)
  parser.add_argument(
    '--rank', type=int, required=True, metavar='R', help='of every matrix'
  )
  parser.add_argument(
    '--save-others',
    action='store_true',
    help='save norms, biases and what else is no matrix whole',
  )
  parser.add_argument(
    '--dtype',
    choices=('bfloat16', 'float16', 'float32'),
    default='float32',
    help='of the factors; default: float32',
  )
