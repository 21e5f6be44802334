"""Max pooling on the CPU, without oneDNN, takes subnormal numbers for zero.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import os
import sys

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import tensorflow as tf

window = tf.reshape(tf.constant([1e-40, 2e-40]), (1, 2, 1))
value = float(tf.keras.layers.MaxPooling1D(2)(window)[0, 0, 0])
print(f"the maximum of 1e-40 and 2e-40 is {value}, but should be about 2e-40")
sys.exit(int(value > 1e-40))
