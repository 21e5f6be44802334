"""Softsign of onnxruntime is off by several units in the last place for the largest arguments.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

x = np.array([1e3, 3.28e38], np.float32)
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Softsign", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
found = session.run(None, {"x": x})[0]
wrong = 0
for argument, value in zip(x.tolist(), found.tolist(), strict=True):
    exact = argument / (1 + argument)
    units = abs(value - exact) / 2.0**-24
    wrong += units > 2
    print(
        f"softsign({argument:.4g}) is {value:.9g}, but should be {exact:.9g}: {units:.2g} units off"
    )
sys.exit(int(not wrong))
