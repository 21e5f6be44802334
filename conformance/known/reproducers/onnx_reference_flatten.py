"""Flatten of onnx' reference implementation raises on an array without elements.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

node = helper.make_node("Flatten", ["x"], ["y"], axis=1)
ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (0, 3, 4))]
made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
model = helper.make_model(helper.make_graph([node], "g", ends, made))
try:
    (found,) = ReferenceEvaluator(model).run(None, {"x": np.zeros((0, 3, 4), np.float32)})
except ValueError as error:
    print(f"{error}, but the shape should be (0, 12)")
    sys.exit(0)
print(f"the shape is {found.shape}")
sys.exit(1)
