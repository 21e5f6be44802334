"""train_on_batch returns the mean of all losses since compile, before Keras 3.15.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import keras
import numpy as np

model = keras.Sequential([keras.Input((3,)), keras.layers.Flatten()])
model.compile("sgd", "mse")
zero = np.zeros((1, 3))
losses = [float(model.train_on_batch(np.full((1, 3), x), zero)) for x in (1.0, 3.0)]
print(f"the mean squares of 1 and of 3 are told as {losses}")
sys.exit(int(losses[1] == 9))
