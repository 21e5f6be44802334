"""Keras' sparsemax on NumPy answers in float64, whatever it is given.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "numpy"

import keras
import numpy as np

y = keras.activations.sparsemax(np.array([[0.1, 0.4, 0.2]], np.float32))
print("sparsemax of float32 is", y, "of", y.dtype)
sys.exit(int(y.dtype == np.float32))
