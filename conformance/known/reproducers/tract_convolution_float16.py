"""tract adds the products of a float16 convolution in float16.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import sys

import numpy as np
import onnx
import tract

MODEL = """<ir_version: 10, opset_import: ["" : 22]>
g (float16[1,1,3] x) => (float16[a,b,c] y) <float16[1,1,3] w = {15360,15360,15360}>
{ y = Conv(x, w) }"""
onnx.save(onnx.parser.parse_model(MODEL), "/tmp/tract_reproducer.onnx")
plan = tract.onnx().load("/tmp/tract_reproducer.onnx").into_model().into_runnable()
x = np.array([[[1.0, 2048.0, 1.0]]], np.float16)
y = plan.run([x])[0].to_numpy()
print("1 + 2048 + 1 is", y.ravel()[0], "but should be 2050")
sys.exit(int(y.ravel()[0] == 2050))
