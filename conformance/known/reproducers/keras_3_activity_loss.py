"""An activity regularizer's loss is not divided by the size of the batch, before Keras 3.14.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import keras
import numpy as np

layer = keras.layers.Conv1D(
    1, 1, kernel_initializer="ones", activity_regularizer=keras.regularizers.L1(1.0)
)
layer(np.ones((4, 1, 1), "float32"))
print(f"the loss of 4 samples of size 1 is {float(layer.losses[0])}, but should be 1")
sys.exit(int(float(layer.losses[0]) == 1))
