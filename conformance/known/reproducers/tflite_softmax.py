"""Softmax of the TFLite interpreter loses what is below the smallest normal number.

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
found = runner(tf.nn.softmax, (1, 2))(np.array([[0.0, -90.0]], np.float32))
print(f"the part of -90 beside 0 is {found[0, 1]}, but should be {np.exp(-90.0)}")
sys.exit(int(found[0, 1] != 0))
