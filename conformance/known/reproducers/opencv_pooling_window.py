"""OpenCV's MaxPool never ends where its window is larger than its input.

Exit status 0 while the defect is there, 1 once it is gone.
"""

import subprocess
import sys

PROGRAM = '''
import cv2, numpy as np
from onnx import parser
model = parser.parse_model("""<ir_version: 10, opset_import: ["" : 22]>
g (float[1,1,1,3] x) => (float[a,b,c,d] y) { y = MaxPool<kernel_shape = [1, 5]>(x) }""")
network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
network.setInput(np.ones((1, 1, 1, 3), np.float32), "x")
network.forward()
'''
try:
    subprocess.run([sys.executable, "-c", PROGRAM], timeout=20, check=False)
except subprocess.TimeoutExpired:
    print("a window of 5 over 3 elements never ends")
    sys.exit(0)
print("a window of 5 over 3 elements is refused, or gives something")
sys.exit(1)
