"""Flatten of Keras on OpenVINO turns large integers of 64 bits into the largest of 32.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "openvino"

import keras
import numpy as np

x = np.array([[[2**40, -(2**40), 7]]], np.int64)
y = np.asarray(keras.layers.Flatten(dtype="int64")(x))
print(x.ravel(), "flattened is", y.ravel())
sys.exit(int(np.array_equal(y.ravel(), x.ravel())))
