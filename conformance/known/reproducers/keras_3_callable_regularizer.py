"""A function is refused as a regularizer, as the documentation shows one, before 3.15.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import keras
import numpy as np

try:
    layer = keras.layers.Conv1D(1, 1, kernel_regularizer=keras.ops.sum)
    layer(np.ones((1, 1, 1), "float32"))
    print("accepted, with losses", layer.losses)
    sys.exit(1)
except ValueError as error:
    print("refused:", str(error)[:200])
