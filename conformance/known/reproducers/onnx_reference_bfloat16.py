"""The reference evaluator of ONNX refuses bfloat16, or takes its bits for a number, before 1.23.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
from ml_dtypes import bfloat16
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

ends = [helper.make_tensor_value_info(name, TensorProto.BFLOAT16, [1, 1, 3]) for name in "xy"]
kernel = helper.make_tensor("w", TensorProto.BFLOAT16, [1, 1, 1], [1.0])
node = helper.make_node("Conv", ["x", "w"], ["y"])
model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [kernel]))
try:
    x = np.ones((1, 1, 3), bfloat16)
    found = float(ReferenceEvaluator(model).run(None, {"x": x})[0][0, 0, 0])
    print("1 times 1 is", found)
    sys.exit(int(found == 1))
except (KeyError, ValueError) as error:
    print("refused:", repr(error)[:200])
