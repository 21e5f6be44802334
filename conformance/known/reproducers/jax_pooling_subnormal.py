"""A maximum over windows by JAX takes subnormal numbers for zero.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import jax
import numpy as np

x = np.array([1e-45, -1.0], np.float32)
given = float(jax.lax.reduce_window(x, np.float32(-np.inf), jax.lax.max, (2,), (2,), "VALID")[0])
print(f"the maximum of {x.tolist()} is {given}")
sys.exit(int(given > 0))
