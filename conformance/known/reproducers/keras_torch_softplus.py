"""Softplus of Keras on torch in float64 is accurate to float32 only, beyond 20.

softplus(x) = x + log(1 + exp(-x)), here by the standard library's log1p.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras

x = 20.5
got = float(keras.activations.softplus(keras.ops.convert_to_tensor(x, "float64")))
expected = x + math.log1p(math.exp(-x))
print(f"softplus({x}) = {got!r}, but should be {expected!r}")
sys.exit(int(abs(got - expected) < 1e-14))
