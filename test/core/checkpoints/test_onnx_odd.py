"""Networks as other tools export them: scalars, memories, pictures, odd dtypes, constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

import onnx
from onnx import TensorProto, helper, numpy_helper

from inferential_core.errors import ConfigError
from inferential_core.models.caller import ModelCaller
from inferential_core.models.context import InferenceContext
from inferential_core.models.loading import load_model
from inferential_core.models.specification import compile_specification

Shape = Sequence[Any] | None


def network(
    path: Path,
    nodes: Sequence[tuple[Any, ...]],
    inputs: dict[str, tuple[str, Shape]],
    outputs: dict[str, Shape],
    **constants: Any,
) -> str:
    """The model's name. nodes: operator, its inputs and its output, with spaces between."""

    def told(values: dict[str, tuple[str, Shape]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, getattr(TensorProto, dtype), shape)
            for name, (dtype, shape) in values.items()
        ]

    graph = helper.make_graph(
        [
            helper.make_node(kind, taken.split(), [given], **(more[0] if more else {}))
            for kind, taken, given, *more in nodes
        ],
        "odd",
        told(inputs),
        told({name: ("FLOAT", shape) for name, shape in outputs.items()}),
        [numpy_helper.from_array(np.asarray(it), name) for name, it in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(path))
    return f"onnx:{path}"


def asked(model: Any, *observations: dict[str, Any], client: str = "robot") -> list[Any]:
    """The answers, after the observations were checked as the server does it."""
    caller = model if isinstance(model, ModelCaller) else ModelCaller("policy", model)
    takes = compile_specification(caller.specification)
    for each in observations:
        takes.check(each)
    contexts = [InferenceContext(client, 0, 0, False, 1e9)] * len(observations)
    return caller.call(observations, contexts)


def rows(count: int, columns: int = 4) -> list[np.ndarray]:
    return list(np.arange(count * columns, dtype=np.float32).reshape(count, columns))


def test_what_a_network_gives_but_once_goes_to_all_of_one_call(tmp_path: Path) -> None:
    """ML-Agents exports its version beside the actions."""
    model = load_model(
        network(
            tmp_path / "agents.onnx",
            [("Neg", "obs_0", "continuous_actions"), ("Identity", "number", "version_number")],
            {"obs_0": ("FLOAT", ["batch", 4])},
            {"version_number": [1], "continuous_actions": ["batch", 4]},
            number=np.float32([3]),
        )
    )
    answers = model.infer_batch([{"obs_0": row} for row in rows(3)])
    for row, answer in zip(rows(3), answers):
        assert answer["continuous_actions"].tolist() == (-row).tolist()
        assert answer["version_number"].tolist() == [3.0]
    notes = model.specification["notes"]
    assert (notes["action_key"], notes["action_columns"]) == ("continuous_actions", 4)


def test_a_scalar_that_all_rows_would_share_has_each_observation_called_alone(
    tmp_path: Path,
) -> None:
    model = load_model(
        network(
            tmp_path / "scalar.onnx",
            [("Mul", "x t", "a")],
            {"x": ("FLOAT", ["batch", 4]), "t": ("FLOAT", [])},
            {"a": ["batch", 4]},
        )
    )
    values = [{"x": row, "t": np.float32(at)} for at, row in enumerate(rows(3))]
    for at, (row, answer) in enumerate(zip(rows(3), asked(model, *values))):
        assert answer["actions"].tolist() == (at * row).tolist()


def test_a_network_that_tells_no_shapes_is_asked_without_checks(tmp_path: Path) -> None:
    model = load_model(
        network(tmp_path / "none.onnx", [("Neg", "x", "a")], {"x": ("FLOAT", None)}, {"a": None})
    )
    (answer,) = asked(model, {"x": rows(1)[0]})
    assert answer["actions"].tolist() == (-rows(1)[0]).tolist()


@pytest.mark.parametrize(
    ("dtype", "sent"),
    [("DOUBLE", "float32"), ("FLOAT16", "float32"), ("INT64", "int32"), ("INT8", "int32")],
)
def test_robots_send_the_dtypes_that_they_have(dtype: str, sent: str, tmp_path: Path) -> None:
    model = load_model(
        network(
            tmp_path / "dtype.onnx",
            [("Cast", "x", "a", {"to": TensorProto.FLOAT})],
            {"x": (dtype, ["batch", 4])},
            {"a": ["batch", 4]},
        )
    )
    (answer,) = asked(model, {"x": np.array([1, 2, 3, 100], sent)})
    assert answer["actions"].tolist() == [1.0, 2.0, 3.0, 100.0]
    if dtype == "INT8":
        (refused,) = asked(model, {"x": np.array([1, 2, 3, 300], sent)})
        assert "'x': a value is no int8" in str(refused)


@pytest.mark.parametrize("first", [True, False], ids=["CHW", "HWC"])
@pytest.mark.parametrize("dtype", ["FLOAT", "UINT8"])
def test_pictures_come_as_cameras_have_them(first: bool, dtype: str, tmp_path: Path) -> None:
    shape = ["batch", 3, 2, 2] if first else ["batch", 2, 2, 3]
    name = network(
        tmp_path / "camera.onnx",
        [
            ("Cast", "top", "floats", {"to": TensorProto.FLOAT}),
            ("ReduceMean", "floats", "a", {"axes": [2, 3] if first else [1, 2], "keepdims": 0}),
        ],
        {"top": (dtype, shape)},
        {"a": ["batch", 3]},
    )
    if first or dtype == "FLOAT":
        assert "images=top" in load_model(name).specification["notes"]["needs"][0]
    model = load_model(f"{name}?images=top")
    assert not any("images=" in need for need in model.specification["notes"]["needs"])
    colours = np.array([51, 102, 204], np.uint8)
    small = np.tile(colours, (2, 2, 1))
    wide = np.tile(colours, (4, 8, 1))
    wide[:, ::2] -= 40  # each pixel of the small picture is in the middle of two of these
    wide[:, 1::2] += 40
    for answer in asked(model, {"top": small}, {"top": wide}):
        scale = 255.0 if dtype == "FLOAT" else 1.0
        np.testing.assert_allclose(answer["actions"], colours / scale, rtol=1e-6)


def counting(path: Path, taken: str, given: str) -> str:
    """actions = obs + memory, and the memory counts the calls; two layers of it."""
    return network(
        path,
        [
            ("Add", f"{taken} one", given),
            ("ReduceMean", taken, "mean", {"axes": [0], "keepdims": 0}),
            ("Add", "obs mean", "actions"),
        ],
        {"obs": ("FLOAT", ["batch", 4]), taken: ("FLOAT", [2, "batch", 4])},
        {"actions": ["batch", 4], given: [2, "batch", 4]},
        one=np.float32(1),
    )


@pytest.mark.parametrize(
    ("taken", "given", "options"),
    [("h_in", "h_out", ""), ("past", "present", "?recurrent=past:present")],
)
def test_a_memory_is_each_clients_own(
    taken: str, given: str, options: str, tmp_path: Path
) -> None:
    model = load_model(counting(tmp_path / "rnn.onnx", taken, given) + options)
    zeros = {"obs": np.zeros(4, np.float32)}
    caller = ModelCaller("walk", model)
    assert caller.stateful and list(caller.specification["observation"]) == ["obs"]
    assert caller.specification["notes"]["memory"] == [f"{given} is handed in as {taken}"]
    steps = [asked(caller, zeros, client=who)[0]["actions"][0] for who in ("a", "a", "b", "a")]
    assert steps == [0.0, 1.0, 0.0, 2.0]
    caller.forget("a")
    assert asked(caller, zeros, client="a")[0]["actions"].tolist() == [0.0] * 4


def test_a_state_and_the_actions_of_like_names_are_no_memory(tmp_path: Path) -> None:
    model = load_model(
        network(
            tmp_path / "arm.onnx",
            [("Neg", "hand_in", "hand_out")],
            {"hand_in": ("FLOAT", ["batch", 4])},
            {"hand_out": ["batch", 4]},
        )
    )
    (answer,) = asked(model, {"hand_in": rows(1)[0]})
    assert answer["actions"].tolist() == (-rows(1)[0]).tolist()


def test_options_that_name_no_input_are_told(tmp_path: Path) -> None:
    name = counting(tmp_path / "rnn.onnx", "h_in", "h_out")
    with pytest.raises(ConfigError, match="recurrent=past:.*the inputs are obs, h_in, and the"):
        load_model(f"{name}?recurrent=past:present")
    with pytest.raises(ConfigError, match="images=top: the network has no such input, but obs"):
        load_model(f"{name}?images=top")
    with pytest.raises(ConfigError, match="images=obs: its shape .* is none of a batch of pict"):
        load_model(f"{name}?images=obs")
