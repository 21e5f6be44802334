"""Keras refuses a sequence of length 0 under causal padding, which makes every window fit.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf

layer = tf.keras.layers.Conv1D(2, 3, padding="causal")
layer.build((1, 4, 1))
try:
    print("it gives an array of shape", layer(np.zeros((1, 0, 1), np.float32)).shape)
    sys.exit(1)
except ValueError as error:
    print("refused:", str(error)[:200])
