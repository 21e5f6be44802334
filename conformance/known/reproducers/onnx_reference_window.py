"""The reference implementation of onnx takes a window that is larger than its input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3])
arrays = {"x": np.ones((1, 1, 2), np.float32), "w": np.ones((1, 1, 3), np.float32)}
ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, a.shape) for n, a in arrays.items()]
made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
model = helper.make_model(helper.make_graph([node], "g", ends, made))
try:
    (found,) = ReferenceEvaluator(model).run(None, arrays)
except Exception as error:
    print(f"refused: {type(error).__name__}")
    sys.exit(1)
print(f"a window of 3 on 2 elements gives the shape {found.shape}")
