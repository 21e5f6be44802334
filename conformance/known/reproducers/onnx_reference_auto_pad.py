"""SAME_UPPER of onnx' reference implementation crops where the strides exceed the window.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

attributes = {"kernel_shape": [1], "strides": [5], "auto_pad": "SAME_UPPER"}
node = helper.make_node("MaxPool", ["x"], ["y"], **attributes)
ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 10))]
made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
model = helper.make_model(helper.make_graph([node], "g", ends, made))
x = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
try:
    found = ReferenceEvaluator(model).run(None, {"x": x})[0].ravel().tolist()
except Exception as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(0)
print(f"every fifth of 0 to 9 is {found}, but should be [0, 5]")
sys.exit(int(found == [0.0, 5.0]))
