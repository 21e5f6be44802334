"""A convolution whose kernel does not fit gives an empty array, in Keras 2 without oneDNN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import tensorflow as tf
import tf_keras

try:
    y = tf_keras.layers.Conv2D(4, (3, 2))(tf.ones((2, 2, 9, 3)))
    print("a kernel of 3 on 2 elements gives an array of shape", tuple(y.shape))
except (ValueError, tf.errors.InvalidArgumentError) as error:
    print("refused:", error)
    sys.exit(1)
