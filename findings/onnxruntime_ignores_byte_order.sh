#!/usr/bin/env bash
# onnxruntime reads a big-endian numpy array as if it were little-endian, and says nothing
#
# Version: onnxruntime 1.23.2, onnx 1.19.1, numpy 2.2.6, Python 3.11, Linux on x86-64.
# Behaviour: numbers that come over a network in its byte order, as the controllers of UR arms send
#   theirs, are read with `np.frombuffer(data, ">f4")`. numpy calculates with such an array as with
#   any other, PyTorch refuses it, and `InferenceSession.run` takes its bytes as they are: the policy
#   sees joints at denormal numbers, near 0. Other dtypes than the network's are refused.
# Output seen, of a network that returns what it is given:
#   numpy: [0.0, 1.0, 2.0]
#   onnxruntime: [0.0, 4.6006e-41, 8.9683e-44]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  onnxruntime==1.23.2 onnx==1.19.1 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import struct

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

graph = helper.make_graph(
    [helper.make_node("Identity", ["joints"], ["same"])],
    "identity",
    [helper.make_tensor_value_info("joints", TensorProto.FLOAT, [3])],
    [helper.make_tensor_value_info("same", TensorProto.FLOAT, [3])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
joints = np.frombuffer(struct.pack(">3f", 0.0, 1.0, 2.0), ">f4")
print("numpy:", (joints * 1).tolist())
(same,) = session.run(None, {"joints": joints})
print("onnxruntime:", [float(f"{value:.5g}") for value in same.tolist()])
assert same[1] != 1.0 and abs(same[2]) < 1e-38
PYTHON
