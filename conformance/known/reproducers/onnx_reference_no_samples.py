"""The reference evaluator of ONNX fails, inside, at a Conv of no samples.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1, "l"]) for n in "xwy"]
node = helper.make_node("Conv", ["x", "w"], ["y"])
model = helper.make_model(helper.make_graph([node], "g", ends[:2], ends[2:]))
x, w = np.ones((0, 1, 5), np.float32), np.ones((1, 1, 3), np.float32)
try:
    print(
        "it gives an array of shape", ReferenceEvaluator(model).run(None, {"x": x, "w": w})[0].shape
    )
    sys.exit(1)
except (IndexError, ValueError) as error:
    print("failed:", repr(error)[:200])
