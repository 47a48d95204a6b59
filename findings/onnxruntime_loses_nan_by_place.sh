#!/usr/bin/env bash
# onnxruntime's maxima lose a NaN or keep it, depending on where it stands
#
# Version: onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11, Linux on x86-64.
# Behaviour: a sensor that failed shows in NaN, which arithmetic carries through to the actions, where
#   a check finds it. ReduceMax and GlobalMaxPool (the end of a PointNet encoder) make a plausible
#   number of most inputs with one NaN in them, and NaN of some. numpy, and the reference
#   implementation that comes with ONNX, keep it everywhere.
# Output seen, where each of 64 values in turn is NaN (which places count depends on the processor):
#   numpy                         NaN for 64 of 64 places
#   ReduceMax, reference          NaN for 64 of 64 places
#   ReduceMax, onnxruntime        NaN for 1 of 64 places
#   GlobalMaxPool, reference      NaN for 64 of 64 places
#   GlobalMaxPool, onnxruntime    NaN for 1 of 64 places
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

PICTURES = []  # (1, 1, 8, 8)
for place in range(64):
    picture = np.arange(64, dtype=np.float32)
    picture[place] = np.nan
    PICTURES.append(picture.reshape(1, 1, 8, 8))


def network(kind: str, **attributes) -> bytes:
    graph = helper.make_graph(
        [helper.make_node(kind, ["picture"], ["largest"], **attributes)],
        "largest",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("largest", TensorProto.FLOAT, [1, 1, 1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def kept(name: str, largest) -> int:
    """How many of the pictures have NaN as their largest value."""
    count = sum(bool(np.isnan(largest(picture)).all()) for picture in PICTURES)
    print(f"{name:29} NaN for {count} of {len(PICTURES)} places")
    return count


assert kept("numpy", np.max) == 64
for kind, attributes in (("ReduceMax", {"axes": [2, 3]}), ("GlobalMaxPool", {})):
    model = network(kind, **attributes)
    reference = ReferenceEvaluator(onnx.load_from_string(model))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert kept(f"{kind}, reference", lambda p: reference.run(None, {"picture": p})[0]) == 64
    assert 0 < kept(f"{kind}, onnxruntime", lambda p: session.run(None, {"picture": p})[0]) < 64
PYTHON
