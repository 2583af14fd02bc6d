"""`python -m paramspace` is the same as `paramspace`."""

import sys

from paramspace import cli

if __name__ == '__main__':
  sys.exit(cli.main())
