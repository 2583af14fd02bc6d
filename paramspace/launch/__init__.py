"""Runs: configs, points, directories, executors, figures and claims."""
