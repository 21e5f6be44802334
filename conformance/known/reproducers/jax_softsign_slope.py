"""The slope of softsign in JAX has no right digit far out, where two quotients cancel.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import jax
import jax.numpy as jnp

wrong = 0
for argument in (3.0, 1e6, 1e12, 1e25):
    slope = float(jax.grad(jax.nn.soft_sign)(jnp.float32(argument)))
    exact = 1 / (1 + argument) ** 2
    wrong += abs(slope - exact) > 0.01 * exact
    print(f"the slope at {argument:g} is {slope:.4g}, but should be {exact:.4g}")
sys.exit(int(not wrong))
