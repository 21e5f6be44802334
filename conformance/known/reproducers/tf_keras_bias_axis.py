"""keras.ops.add takes a channels_first bias for one of the last axis where their lengths agree.

A Conv2D with channels_first adds its bias, reshaped to (1, filters, 1, 1), through keras.ops.add,
which on TensorFlow becomes tf.nn.bias_add along the last axis wherever the last axis is as long
as the bias.  Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tensorflow as tf

bias = np.array([1, 5], np.float32).reshape(1, 2, 1, 1)
found = np.asarray(tf.keras.ops.add(np.zeros((1, 2, 1, 2), np.float32), bias))
print("added", found.tolist(), "instead of", np.broadcast_to(bias, (1, 2, 1, 2)).tolist())
sys.exit(int(np.array_equal(found, np.broadcast_to(bias, (1, 2, 1, 2)))))
