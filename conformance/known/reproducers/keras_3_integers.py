"""Flatten, and pooling, cast integers to float32, before Keras 3.6.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import keras
import numpy as np

large = np.full((1, 1), 2**24 + 1, "int32")
found = np.asarray(keras.layers.Flatten()(large))
print(f"{2**24 + 1}, flattened, is {found[0, 0]}, of {found.dtype}")
sys.exit(int(found.dtype == np.int32))
