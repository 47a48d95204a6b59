"""Small networks of ONNX, written by tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DOF, STEPS = 3, 4
WEIGHTS = np.arange(DOF * STEPS * DOF, dtype=np.float32).reshape(DOF, STEPS * DOF) / 10


def linear(path: Path, batch: Any, metadata: dict[str, str] | None = None) -> Path:
    """state (batch, 3) -> chunk (batch, 4, 3); batch: a name, a number, or None for no axis."""
    first = [] if batch is None else [batch]
    chunk = [*([] if batch is None else [0]), STEPS, DOF]  # 0: as the input has it
    constants = [
        numpy_helper.from_array(WEIGHTS, "weights"),
        numpy_helper.from_array(np.array(chunk, np.int64), "shape"),
    ]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "weights"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["chunk"]),
        ],
        "linear",
        [helper.make_tensor_value_info("state", TensorProto.FLOAT, [*first, DOF])],
        [helper.make_tensor_value_info("chunk", TensorProto.FLOAT, [*first, STEPS, DOF])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, str(path))
    return path


def expected(state: np.ndarray) -> np.ndarray:
    """The chunk of one state."""
    return (state @ WEIGHTS).reshape(STEPS, DOF)
