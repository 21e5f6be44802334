"""Sigmoid of onnxruntime is right to 2**-23 of 1, and not of its own value.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import math
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

x = np.array([-3.3, -10.0, -30.0], np.float32)
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
found = session.run(None, {"x": x})[0]
wrong = 0
for argument, value in zip(x, found, strict=True):
    exact = 1 / (1 + math.exp(-float(argument)))
    units = abs(float(value) - exact) / (exact * 2.0**-24)
    wrong += units > 16
    print(f"sigmoid({argument}) is {value}, but should be {exact:.9g}: {units:.3g} half units off")
sys.exit(int(not wrong))
