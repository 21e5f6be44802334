"""Conv of the onnx package fills dilated kernels with zeros, and multiplies infinities by them.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.array([[[1.0, np.inf, 2.0, 3.0, 4.0, 5.0]]], np.float32)
kernel = np.ones((1, 1, 2), np.float32)
ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
ends.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, kernel.shape))
made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
node = helper.make_node("Conv", ["x", "w"], ["y"], dilations=[2], pads=[1, 1], kernel_shape=[2])
graph = helper.make_graph([node], "g", ends, made)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
found = ReferenceEvaluator(model).run(None, {"x": x, "w": kernel})[0].ravel()
print(f"1 + 2, two steps apart with infinity between them, is {found[1]}")
sys.exit(int(not np.isnan(found[1])))
