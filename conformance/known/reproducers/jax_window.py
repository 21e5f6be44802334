"""JAX takes a window that is larger than the input, and gives nothing.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import jax
import numpy as np

x, w = np.ones((1, 1, 2), np.float32), np.ones((1, 1, 3), np.float32)
try:
    y = jax.lax.conv(x, w, (1,), "VALID")
    print("a window of 3 on 2 elements gives an array of shape", y.shape)
except (TypeError, ValueError) as error:
    print("refused:", error)
    sys.exit(1)
