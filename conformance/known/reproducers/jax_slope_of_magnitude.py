"""The derivative of |x| at 0 is 1 in JAX, so that L1 penalties move weights that are zero.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import jax
import jax.numpy as jnp

slope = float(jax.grad(jnp.abs)(0.0))
print(f"the derivative of |x| at 0 is {slope}, which is 0 in TensorFlow and torch")
sys.exit(int(slope == 0))
