"""onnxruntime reads arrays in the other byte order as if they were in the machine's.

Exit status 0 while the defect is there, 1 once it is gone or such arrays are refused.
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "g", ends[:1], ends[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
runner = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
values = np.array([[1.0, 2.0]], np.float32)
swapped = values.astype(values.dtype.newbyteorder())
assert np.array_equal(swapped, values)
found = runner.run(None, {"x": swapped})[0]
print(f"{swapped.tolist()} in the other byte order is flattened to {found.tolist()}")
sys.exit(int(np.array_equal(found, values)))
