"""Max pooling on the CPU loses a NaN that shares its window with a number.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import tensorflow as tf

windows = [[math.nan, 1.0], [1.0, math.nan]]
pooled = [
    float(tf.keras.layers.MaxPooling1D(2)(tf.reshape(tf.constant(w), (1, 2, 1)))[0, 0, 0])
    for w in windows
]
for window, value in zip(windows, pooled, strict=True):
    print(f"the maximum of {window} is {value}, but should be nan")
sys.exit(int(all(map(math.isnan, pooled))))
