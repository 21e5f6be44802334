"""A model whose outputs are its inputs is refused, before Keras 3.14.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import keras

x = keras.Input((3,))
try:
    print("accepted, of shape", keras.Model(x, x).output_shape)
    sys.exit(1)
except ValueError as error:
    print("refused:", str(error)[:200])
