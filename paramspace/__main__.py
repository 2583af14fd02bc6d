"""`python -m paramspace` is the same as `paramspace`."""

from paramspace import cli

if __name__ == '__main__':
  cli.command()
