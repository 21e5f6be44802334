"""Keras on torch refuses `sparse=True`, which Input documents for every backend.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras

try:
    keras.Input((2,), sparse=True)
except ValueError as error:
    print(f"refused: {error}")
    sys.exit(0)
print("accepted")
sys.exit(1)
