"""A convolution of one channel in TFLite: an infinity spoils outputs of other windows.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def runner(function, shape):
    """A function as a TFLite file, run by the interpreter."""
    made = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()])
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()

    def run(x):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


warnings.simplefilter("ignore")
kernel = np.ones((3, 5, 1, 1), np.float32)
convolve = runner(lambda x: tf.nn.conv2d(x, kernel, 1, "VALID"), (1, 12, 13, 1))
x = np.zeros((1, 12, 13, 1), np.float32)
x[0, 11, 12, 0] = np.inf
spoilt = [tuple(map(int, place)) for place in np.argwhere(~np.isfinite(convolve(x)))]
print(f"infinite or NaN are {spoilt}; only (0, 9, 8, 0) should be")
sys.exit(int(spoilt == [(0, 9, 8, 0)]))
