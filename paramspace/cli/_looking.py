"""Verbs that take the directory of a sweep and look at what is there."""

import argparse


def add_verbs(subparsers: argparse.Action) -> None:
  """Adds the parsers of this file's verbs."""
