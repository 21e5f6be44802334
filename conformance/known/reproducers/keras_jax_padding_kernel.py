"""A convolution of float64 in JAX skips padding: a kernel's infinity over it has no part.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
x, kernel = jnp.ones((1, 1, 4)), jnp.full((1, 1, 3), jnp.inf)
found = jax.lax.conv_general_dilated(x, kernel, (1,), "SAME")[0, 0]
print(f"windows over zeros of padding, by infinite weights: {found.tolist()}; 0 times inf is NaN")
sys.exit(int(bool(jnp.isnan(found[0]))))
