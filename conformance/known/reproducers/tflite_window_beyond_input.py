"""TFLite's interpreter answers where a window does not fit into its input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

warnings.simplefilter("ignore")
signature = [tf.TensorSpec((1, None, None, 1), tf.float32)]
made = tf.function(lambda x: tf.nn.max_pool2d(x, 5, 5, "VALID"), input_signature=signature)
converter = tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()])
interpreter = Interpreter(model_content=converter.convert())
place = interpreter.get_input_details()[0]["index"]
try:
    interpreter.resize_tensor_input(place, (1, 3, 3, 1))
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, np.ones((1, 3, 3, 1), np.float32))
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
except (RuntimeError, ValueError) as error:
    print(f"refused: {error}")
    sys.exit(1)
print(f"a window of 5 by 5 on 3 by 3 elements gives the shape {found.shape}")
