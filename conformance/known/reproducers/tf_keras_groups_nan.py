"""In float64, a NaN of one group is felt in another, where each group has one channel.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tensorflow as tf

layer = tf.keras.layers.Conv1D(2, 1, groups=2, use_bias=False, dtype="float64")
x = np.array([np.nan, 1.0]).reshape(1, 1, 2)
layer.build(x.shape)
layer.set_weights([np.ones((1, 1, 2))])
second = float(layer(x)[0, 0, 1])
print(f"the second group, 1 times 1, is {second}, but should be 1.0")
sys.exit(int(second == 1.0))
