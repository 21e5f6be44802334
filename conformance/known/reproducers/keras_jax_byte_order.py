"""On JAX, a Keras layer makes float32 of integers in the other byte order.

Exit status 0 while the defect is there, 1 once it is gone or such arrays are refused.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

values = np.arange(6, dtype=np.int32).reshape(1, 2, 3)
swapped = values.astype(values.dtype.newbyteorder())
assert np.array_equal(swapped, values)
flatten = keras.layers.Flatten()
found = [str(flatten(x).dtype) for x in (values, swapped)]
print(f"the dtype of integers is {found[0]}, in the other byte order {found[1]}")
sys.exit(int(found[1] == "int32"))
