"""Sparsemax of float16 is computed eagerly, and cannot be traced.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import tensorflow as tf

x = tf.constant([[0.1, 0.4]], tf.float16)
print("eagerly:", tf.keras.activations.sparsemax(x).numpy())
try:
    print("in a graph:", tf.function(tf.keras.activations.sparsemax)(x).numpy())
    sys.exit(1)
except (TypeError, ValueError) as error:
    print("in a graph it raises:", str(error)[:200])
