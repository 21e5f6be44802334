"""keras.activations.sparsemax is wrong wherever more than one element of a row has a part.

sparsemax projects each row (last axis) onto the probability simplex, so every row sums to 1.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tensorflow as tf

rows = np.array([[1.0, 1.0], [1.0, 0.5], [3.0, 0.0]], "float32")
projected = tf.keras.activations.sparsemax(tf.constant(rows)).numpy()
expected = [[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]]
print(f"sparsemax({rows.tolist()}) = {projected.tolist()}, but should be {expected}")
sys.exit(int(np.allclose(projected, expected)))
