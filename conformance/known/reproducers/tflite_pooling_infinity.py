"""Max pooling of TFLite over nothing but minus infinity gives the lowest finite number.

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
pool = runner(lambda x: tf.nn.max_pool2d(x, (1, 2), (1, 3), "VALID"), (1, 1, 3, 1))
found = pool(np.full((1, 1, 3, 1), -np.inf, np.float32)).item()
print(f"the maximum of nothing but -inf is {found}")
sys.exit(int(found == -np.inf))
