"""Keras takes a fraction inside a tuple of sizes, and cuts it to an integer.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tensorflow as tf

try:
    y = tf.keras.layers.MaxPooling2D((2.7, 2))(np.ones((1, 4, 4, 1), np.float32))
    print("windows of 2.7 by 2 on 4 by 4 elements give", y.shape)
except (TypeError, ValueError) as error:
    print("refused:", error)
    sys.exit(1)
