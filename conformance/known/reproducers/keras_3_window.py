"""A window that is one step longer than the input gives an empty output, before Keras 3.14.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import keras
import numpy as np

try:
    outputs = keras.layers.Conv1D(1, 4)(np.ones((1, 3, 1), "float32"))
    print("a window of 4 on 3 elements gives an array of shape", tuple(outputs.shape))
except ValueError as error:
    print("refused:", error)
    sys.exit(1)
