"""keras.regularizers.OrthogonalRegularizer(mode="columns") depends on the kind of array.

The penalty of the same matrix differs between a NumPy array and a tensor.
Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import tensorflow as tf

regularizer = tf.keras.regularizers.OrthogonalRegularizer(factor=0.5, mode="columns")
matrix = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [2.0, 0.0, 1.0]], "float32")
of_array, of_tensor = float(regularizer(matrix)), float(regularizer(tf.constant(matrix)))
print(f"of the array {of_array}, of the tensor {of_tensor}")
sys.exit(int(abs(of_array - of_tensor) < 1e-6))
