"""Max pooling of Keras on JAX takes a window that is larger than the input, and gives nothing.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

try:
    y = keras.layers.MaxPooling1D(5)(np.ones((1, 3, 1), np.float32))
    print("a window of 5 on 3 elements gives an array of shape", y.shape)
except ValueError as error:
    print("refused:", error)
    sys.exit(1)
