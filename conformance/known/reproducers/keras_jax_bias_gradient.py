"""A bias' gradient in JAX is summed in its own narrow dtype, with a rounding at each addition.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np

layer = keras.layers.Conv1D(1, 1, dtype="float16")
layer.build((1, 5000, 1))
x = np.ones((1, 5000, 1), "float16")
upstream = np.sin(np.arange(5000.0)).astype("float16").reshape(1, 5000, 1)
_, pull = jax.vjp(
    lambda bias: layer.stateless_call([layer.kernel.value, bias], [], x)[0], layer.bias.value
)
found = float(pull(jax.numpy.asarray(upstream))[0][0])
exact = float(upstream.astype("float64").sum())
print(f"the gradient is {found}, but should be {float(np.float16(exact))}: the sum is {exact}")
sys.exit(int(found == np.float16(exact)))
