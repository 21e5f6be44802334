"""tract's Relu gives 0 for NaN.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float[2] x) => (float[n] y) { y = Relu(x) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.array([np.nan, 1.0], np.float32)
y = plan.run([x])[0].to_numpy()
print("relu of nan is", y[0], "but should be nan")
sys.exit(int(np.isnan(y[0])))
