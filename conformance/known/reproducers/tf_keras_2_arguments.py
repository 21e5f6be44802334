"""Keras 2 takes whatever it is given for use_bias, regularizers and groups.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tf_keras

x = np.ones((1, 4, 2), np.float32)
taken = []
for argument in ({"use_bias": "no"}, {"kernel_regularizer": "foo"}, {"groups": 0}):
    try:
        layer = tf_keras.layers.Conv1D(3, 2, **argument)
        taken.append((argument, layer(x).shape, [weight.name for weight in layer.weights]))
    except (TypeError, ValueError) as error:
        print(argument, "is refused:", error)
for each in taken:
    print(*each)
sys.exit(int(len(taken) < 3))
