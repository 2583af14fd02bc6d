"""Looking at a sweep's directory: what is there, and whether it holds.

These modules read files only. None of them imports JAX before it has to, and
none but `leftovers.remove` writes below the directory.
"""
