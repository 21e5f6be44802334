"""Max pooling of Keras on torch takes any padding that is not `same` for `valid`.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

try:
    found = keras.layers.MaxPooling1D(2, padding="full")(np.zeros((1, 4, 1), "float32"))
except Exception as error:
    print(f"refused: {type(error).__name__}")
    sys.exit(1)
print(f"padding='full' gives the shape {tuple(found.shape)}")
