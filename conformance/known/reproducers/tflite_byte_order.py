"""The TFLite interpreter reads arrays in the other byte order as if in the machine's.

Exit status 0 while the defect is there, 1 once it is gone or such arrays are refused.
"""

import sys
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

warnings.simplefilter("ignore")
made = tf.function(tf.nn.relu, input_signature=[tf.TensorSpec((1, 2), tf.float32)])
converter = tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()])
interpreter = Interpreter(model_content=converter.convert())
interpreter.allocate_tensors()
values = np.array([[1.0, 2.0]], np.float32)
swapped = values.astype(values.dtype.newbyteorder())
assert np.array_equal(swapped, values)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], swapped)
interpreter.invoke()
found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
print(f"relu of {swapped.tolist()} in the other byte order is {found.tolist()}")
sys.exit(int(np.array_equal(found, values)))
