"""Strict numerics, and eight CPU devices, for every test."""

import atexit
import os
import shutil
import tempfile

import jax

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_numpy_dtype_promotion', 'strict')

# Compiled programs are kept for the processes that tests start, not for longer.
os.environ['XDG_CACHE_HOME'] = tempfile.mkdtemp(prefix='paramspace-')
atexit.register(shutil.rmtree, os.environ['XDG_CACHE_HOME'], True)
