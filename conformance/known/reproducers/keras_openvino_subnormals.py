"""Flatten of Keras on OpenVINO turns subnormal numbers into zero.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "openvino"

import keras
import numpy as np

x = np.array([[[1e-40, 1.0]]], np.float32)
y = np.asarray(keras.layers.Flatten()(x))
print(x.ravel(), "flattened is", y.ravel())
sys.exit(int(np.array_equal(y.ravel(), x.ravel())))
