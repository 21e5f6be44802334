"""Max pooling that XLA compiles for a processor with AVX-512 loses a NaN beside a number.

Exit status 0 while the defect is there, 1 once it is gone, or on a processor that lacks it.
"""

import sys

import numpy as np
import tensorflow as tf

row = np.ones((1, 64, 1), "float32")
row[0, ::2] = np.nan
pool = tf.function(tf.keras.layers.MaxPooling1D(2), jit_compile=True)
pooled = pool(tf.constant(row)).numpy().ravel()
lost = int(np.sum(~np.isnan(pooled)))
print(f"{lost} of {pooled.size} windows of a NaN and a 1 give {pooled[0]}, but should give nan")
sys.exit(int(not lost))
