"""The exponential of NaN is zero in the TFLite interpreter.

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
found = runner(tf.exp, (1, 4))(np.full((1, 4), np.nan, np.float32))
print(f"the exponential of NaN is {found.ravel().tolist()}")
sys.exit(int(np.isnan(found).all()))
