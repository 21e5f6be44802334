"""keras.activations.sparsemax of a tensor of rank 3 takes thresholds from the wrong rows.

sparsemax projects each row (last axis) onto the probability simplex, so every row sums to 1.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tensorflow as tf

rows = np.array(
    [[[1.0, 0.0, -1.0], [0.5, 0.4, 0.3]], [[3.0, 0.0, 0.0], [0.1, 0.2, 0.1]]], "float32"
)
sums = tf.keras.activations.sparsemax(tf.constant(rows)).numpy().sum(axis=-1)
print("sums of the rows, each of which should be 1:", sums.tolist())
sys.exit(int(np.allclose(sums, 1.0)))
