"""A convolution of Keras on OpenVINO takes float64 for float32, and answers in it.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "openvino"

import keras
import numpy as np

layer = keras.layers.Conv1D(1, 1, use_bias=False, dtype="float64")
layer.build((1, 1, 1))
layer.set_weights([np.ones((1, 1, 1))])
y = np.asarray(layer(np.full((1, 1, 1), 1 + 1e-12)))
print("1 + 1e-12 times 1 is", repr(y.item()), "of", y.dtype)
sys.exit(int(y.item() != 1 and y.dtype == np.float64))
