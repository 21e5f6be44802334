"""keras.activations.gelu in float64 is accurate to float32 only.

gelu(x) = x (1 + erf(x / sqrt(2))) / 2, here against the standard library's erf.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import tensorflow as tf

x = -1.0
got = float(tf.keras.activations.gelu(tf.constant(x, tf.float64)))
expected = 0.5 * x * (1.0 + math.erf(x / math.sqrt(2.0)))
print(f"gelu({x}) = {got!r}, but should be {expected!r}")
sys.exit(int(abs(got - expected) < 1e-14))
