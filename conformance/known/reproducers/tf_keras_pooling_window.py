"""Eager max pooling takes a window that just does not fit, and gives nothing.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf

layer = tf.keras.layers.MaxPooling1D(4, strides=1)
try:
    y = layer(np.ones((1, 3, 1), np.float32))
    print("a window of 4 on 3 elements gives an array of shape", y.shape)
except (ValueError, tf.errors.InvalidArgumentError) as error:
    print("refused:", error)
    sys.exit(1)
