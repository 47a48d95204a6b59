"""A contract that its model contradicts is refused at configure, naming the key."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from inferential_core import LocalDispatcher, Server
from inferential_core.models.specification import compile_specification
from inferential_ros.contract.loading import parse_contract
from inferential_ros.contract.schema import Contract
from inferential_ros.discovery.model_check import check_model, check_value, fetch_specification
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import located, parse_yaml

CONTRACT = """
model: {id: policy}
observation:
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [a, b]}
    camera:
      topic: camera
      type: sensor_msgs/msg/Image
      encodings: [rgb8, bgr8]
      resize: {width: 4, height: 2, filter: nearest}
    task: {text: pour}
    scan: {topic: scan, type: sensor_msgs/msg/LaserScan, align: drop}
action:
  names: [a, b]
  rate_hz: 50
  mode: open_loop
  execution_horizon: 10
  outputs: [{topic: out, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""
SPECIFICATION: dict[str, Any] = {
    "observation": {
        "state": {"dtype": "float32", "shape": [2]},
        "camera": {"dtype": "uint8", "shape": [None, 4, 3]},
        "task": {"dtype": "string"},
        "scan": {"dtype": ["float16", "float32"], "shape": [None], "optional": True},
    },
    "other_keys": "reject",
    "action_names": ["a", "b"],
    "horizon": 10,
    "control_rate_hz": 50.0,
}


def contract() -> Contract:
    return parse_contract(parse_yaml(CONTRACT))


def with_entry(key: str, **changes: Any) -> dict[str, Any]:
    """The specification with one entry of the observation changed or added."""
    observation = dict(SPECIFICATION["observation"])
    observation[key] = {**observation.get(key, {}), **changes}
    return {**SPECIFICATION, "observation": observation}


def without(key: str) -> dict[str, Any]:
    observation = {k: v for k, v in SPECIFICATION["observation"].items() if k != key}
    return {**SPECIFICATION, "observation": observation}


def test_a_contract_that_fits_passes_and_so_does_a_model_that_says_nothing() -> None:
    compile_specification(SPECIFICATION)
    check_model(contract(), SPECIFICATION)
    check_model(contract(), {**SPECIFICATION, "notes": {"state_names": ["a.pos", "b.pos"]}})
    check_model(contract(), {**SPECIFICATION, "notes": {"state_names": ["x", "y"]}})
    check_model(contract(), {})


@pytest.mark.parametrize(
    ("specification", "path", "told"),
    [
        (with_entry("state", shape=[3]), "observation.keys.state", "[2], the model takes [3]"),
        (with_entry("state", dtype="float64"), "observation.keys.state.dtype", "takes float64"),
        (with_entry("task", dtype="uint8"), "observation.keys.task", "string, the model takes"),
        (with_entry("camera", shape=[2, 4]), "observation.keys.camera", "[2, 4, 3], the model"),
        (
            with_entry("scan", optional=False),
            "observation.keys.scan.align",
            "in every observation",
        ),
        (
            with_entry("stat", dtype="float32"),
            "observation.keys",
            "'stat' (float32); did you mean",
        ),
        (without("task"), "observation.keys.task", "takes no 'task'"),
        ({**SPECIFICATION, "action_names": ["b", "a"]}, "action.names", "b, a, in this order"),
        ({**SPECIFICATION, "action_names": ["a", "b", "c"]}, "action.names", "a, b, c"),
        ({**SPECIFICATION, "action_names": ["a", "bb"]}, "action.names[1]", "did you mean 'bb'"),
        (
            {**SPECIFICATION, "notes": {"state_names": ["b.pos", "a.pos"]}},
            "observation.keys.state.joints",
            "b, a, in this order",
        ),
        ({**SPECIFICATION, "control_rate_hz": 30}, "action.rate_hz", "for 30 Hz"),
        ({**SPECIFICATION, "horizon": 8}, "action.execution_horizon", "have 8 steps"),
    ],
)
def test_a_mismatch_names_the_key(specification: dict[str, Any], path: str, told: str) -> None:
    compile_specification(specification)
    with pytest.raises(ContractError) as caught:
        check_model(contract(), specification)
    assert caught.value.path == path and told in caught.value.problem


def test_all_mismatches_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(CONTRACT)
    specification = {**with_entry("state", shape=[3]), "control_rate_hz": 30, "horizon": 8}
    with pytest.raises(ContractError) as caught:
        check_model(contract(), specification)
    lines = str(located(caught.value, path)).splitlines()
    assert [line.split(": ")[0:2] for line in lines] == [
        [f"{path}:5", "observation.keys.state"],
        [f"{path}:15", "action.rate_hz"],
        [f"{path}:17", "action.execution_horizon"],
    ]


@pytest.mark.parametrize("send", ["raw", "jpeg", "png"])
def test_the_shape_of_an_image_is_that_which_the_model_gets_however_it_is_sent(send: str) -> None:
    encodings = "encodings: [rgb8, bgr8]"
    text = CONTRACT.replace(encodings, f"{encodings}\n      send: {send}")
    check_model(parse_contract(parse_yaml(text)), SPECIFICATION)
    with pytest.raises(ContractError) as caught:
        check_model(parse_contract(parse_yaml(text)), with_entry("camera", shape=[3, 2, 4]))
    assert "shape [2, 4, 3], the model takes [3, 2, 4]" in caught.value.problem
    assert "images are sent channels last" in caught.value.problem


def test_the_sides_of_an_image_are_compared_although_only_the_messages_tell_its_channels() -> None:
    text = CONTRACT.replace("      encodings: [rgb8, bgr8]\n", "")
    for fits in ([None, 4, 3], [2, 4], [2, None, 1]):
        check_model(parse_contract(parse_yaml(text)), with_entry("camera", shape=fits))
    for wrong in ([2, 5, 3], [4, 4], [3, 2, 4]):
        with pytest.raises(ContractError, match="the model takes"):
            check_model(parse_contract(parse_yaml(text)), with_entry("camera", shape=wrong))


@pytest.mark.parametrize("declared", [{"shape": [8, 8, 3]}, {"shape": None}])
def test_compressed_images_of_any_size_fit_a_model_that_has_the_server_resize_them(
    declared: dict[str, Any],
) -> None:
    specification = with_entry("camera", **declared, resize=[8, 8], filter="bilinear")
    sent = CONTRACT.replace("filter: nearest}", "filter: nearest}\n      send: jpeg")
    check_model(parse_contract(parse_yaml(sent)), specification)
    with pytest.raises(ContractError, match=r"shape \[2, 4, 3\], the model takes \[8, 8, 3\]"):
        check_model(contract(), specification)
    for text, fits in ((sent, True), (CONTRACT, False)):
        open_size = text.replace("      resize: {width: 4, height: 2, filter: nearest}\n", "")
        camera = parse_contract(parse_yaml(open_size)).observation[1]
        value = np.zeros((6, 6, 3), np.uint8)
        with nullcontext() if fits else pytest.raises(ContractError, match="the model takes"):
            check_value(camera, value, specification)


class Policy:
    specification = SPECIFICATION

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        return {"actions": np.zeros((10, 2), np.float32)}


def test_the_server_hands_the_specification_out_and_a_silent_one_is_told(address: str) -> None:
    server = Server(bind="tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": Policy()}))
    server.start()
    try:
        found, reason = fetch_specification(server.address, "r", "policy", 20.0)
        assert reason == "" and found["horizon"] == 10
        _, reason = fetch_specification(server.address, "r", "polcy", 20.0)
        assert "polcy" in reason
    finally:
        server.stop()
    found, reason = fetch_specification(address, "r", "policy", 0.05)
    assert found == {}
    assert reason == (
        f"the server {address} does not answer: the server has not let this client in yet"
    )
