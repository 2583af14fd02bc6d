"""Studies whose result is a time."""
