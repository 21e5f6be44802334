"""Max pooling of Keras on OpenVINO refuses an input without elements under SAME padding.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["KERAS_BACKEND"] = "openvino"

import keras
import numpy as np

x = np.zeros((0, 4, 1), np.float32)
try:
    y = np.asarray(keras.layers.MaxPooling1D(2, padding="same")(x))
    print("it gives", y.shape)
    sys.exit(1)
except RuntimeError as error:
    print("refused:", str(error)[:200])
