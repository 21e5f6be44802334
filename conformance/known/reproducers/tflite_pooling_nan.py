"""Max pooling of TFLite loses a NaN that shares its window with a number.

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
pool = runner(lambda x: tf.nn.max_pool2d(x, (1, 2), (1, 2), "VALID"), (1, 1, 2, 1))
windows = [[np.nan, 1.0], [1.0, np.nan]]
pooled = [float(pool(np.array(w, np.float32).reshape(1, 1, 2, 1)).item()) for w in windows]
for window, value in zip(windows, pooled, strict=True):
    print(f"the maximum of {window} is {value}, but should be nan")
sys.exit(int(all(np.isnan(pooled))))
