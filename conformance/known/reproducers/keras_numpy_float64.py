"""Keras on its NumPy backend convolves float64 in float32, and answers in it.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "numpy"

import keras
import numpy as np

layer = keras.layers.Conv1D(1, 1, use_bias=False, dtype="float64")
x = np.full((1, 1, 1), 1 + 1e-12)
layer.build(x.shape)
layer.set_weights([np.ones((1, 1, 1))])
y = layer(x)
print("1 + 1e-12 times 1 is", repr(y.item()), "of", y.dtype)
sys.exit(int(y.dtype == np.float64))
