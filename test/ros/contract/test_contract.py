"""A wrong contract is refused with the path of the wrong key and the nearest right name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from inferential_ros.contract.loading import load_contract, parse_contract
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import parse_yaml

GOOD = parse_yaml("""
robot: arm
model: {id: policy, latency_budget_ms: 80, supersede: true, priority: 0}
observation:
  trigger: {runway: 0.5}
  keys:
    state:
      topic: joint_states
      type: sensor_msgs/msg/JointState
      joints: [shoulder, elbow]
      fields: [position, velocity]
    camera: {topic: camera/image/compressed, type: sensor_msgs/msg/CompressedImage, qos: sensor}
    instruction: {text: pick up the cup}
action:
  names: [shoulder, elbow, gripper]
  rate_hz: 50
  outputs:
    - topic: arm/joint_trajectory
      type: trajectory_msgs/msg/JointTrajectory
      select: [elbow, shoulder]
      limits: {elbow: [-1.5, 1.5]}
    - topic: gripper/commands
      type: std_msgs/msg/Float64MultiArray
      kind: effort
      select: [gripper]
      limits: [-3, 3]
""")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good contract with one key replaced; a value of ... removes it."""
    contract = copy.deepcopy(GOOD)
    *way, last = path.replace("[", ".").replace("]", "").split(".")
    place: Any = contract
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return contract


def test_a_right_contract_says_what_it_says() -> None:
    contract = parse_contract(copy.deepcopy(GOOD))
    assert contract.model.id == "policy" and contract.model.priority == 0
    assert [key.name for key in contract.topics] == ["state", "camera"]
    assert contract.reference.name == "state"
    arm, gripper = contract.action.outputs
    assert (arm.kind, arm.fallback, arm.columns) == ("position", "hold", (1, 0))
    assert arm.limits.lower == (-1.5, -float("inf"))
    assert (gripper.kind, gripper.fallback, gripper.columns) == ("effort", "zeros", (2,))
    assert contract.action.control_rate_hz == 50.0 and contract.warnings == ()


WRONG = [
    ("observation.reference", "stat", "observation.reference", "did you mean 'state'"),
    ("observation.reference", "instruction", "observation.reference", "unknown value"),
    ("observation.keys.camera.tolerance_s", 0.1, "observation.keys.camera.tolerance_s", "asof"),
    ("observation.keys.camera.align", "asof", "observation.keys.camera.tolerance_s", "is missing"),
    ("observation.keys.camera.text", "x", "observation.keys.camera.text", "is no text"),
    (
        "observation.keys.instruction.parameter",
        "my task",
        "observation.keys.instruction.parameter",
        "no parameter name",
    ),
    (
        "observation.keys.instruction.parameter",
        "server",
        "observation.keys.instruction.parameter",
        "a parameter of the bridge itself",
    ),
    (
        "observation.keys.camera.parameter",
        "task",
        "observation.keys.camera.parameter",
        "a topic or a parameter",
    ),
    ("modle", {}, "modle", "did you mean 'model'"),
    ("model.id", ..., "model.id", "is missing"),
    ("model.latency_budget", 80, "model.latency_budget", "did you mean 'latency_budget_ms'"),
    ("model.latency_budget_ms", "fast", "model.latency_budget_ms", "expected a number"),
    ("observation.trigger", {"on": "stat"}, "observation.trigger.on", "did you mean 'state'"),
    ("observation.trigger", {}, "observation.trigger", "exactly one of"),
    (
        "observation.keys.camera.type",
        "sensor_msgs/msg/CompressedVideo",
        "observation.keys.camera.type",
        "there are BatteryState, CameraInfo",
    ),
    ("observation.trigger.runway", 1.5, "observation.trigger.runway", "between 0 and 1"),
    (
        "observation.keys.state.type",
        "sensor_msgs/msg/JoinState",
        "observation.keys.state.type",
        "did you mean 'JointState'",
    ),
    (
        "observation.keys.state.type",
        "sensor_mgs/msg/JointState",
        "observation.keys.state.type",
        "cannot import sensor_mgs.msg",
    ),
    (
        "observation.keys.state.type",
        "std_msgs/msg/Empty",
        "observation.keys.state.type",
        "carries nothing",
    ),
    (
        "observation.keys.state.type",
        "__import__('os')",
        "observation.keys.state.type",
        "is no message type",
    ),
    ("observation.keys.state.joints", ..., "observation.keys.state.joints", "is missing"),
    (
        "observation.keys.state.joints[1]",
        "shoulder",
        "observation.keys.state.joints[1]",
        "named twice",
    ),
    (
        "observation.keys.state.fields[1]",
        "velocty",
        "observation.keys.state.fields[1]",
        "did you mean 'velocity'",
    ),
    ("observation.keys.state.dtype", "float16", "observation.keys.state.dtype", "'float64'"),
    ("observation.keys.state.align", "exact", "observation.keys.state.align", "hold"),
    ("observation.keys.state.topic", "joint states", "observation.keys.state.topic", "no valid"),
    ("observation.keys.camera.joints", ["a"], "observation.keys.camera.joints", "unknown key"),
    ("observation.keys.camera.qos", "sensors", "observation.keys.camera.qos", "'sensor'"),
    ("observation.keys.camera.qos", {"depth": 0}, "observation.keys.camera.qos.depth", "least 1"),
    ("observation.keys.instruction.topic", "x", "observation.keys.instruction.type", "is missing"),
    (
        "observation.keys.inference_delay",
        {"text": "x"},
        "observation.keys.inference_delay",
        "name",
    ),
    ("observation.keys.urgency", {"text": "x"}, "observation.keys.urgency", "cannot name a key"),
    ("action.names", [], "action.names", "at least one"),
    ("action.rate_hz", 0, "action.rate_hz", "greater than 0"),
    ("action.overlap", "newest", "action.overlap", "latest"),
    ("action.mode", "que", "action.mode", "'queue'"),
    ("action.temporal_ensemble_coeff", 0.1, "action.temporal_ensemble_coeff", "belongs to mode"),
    ("action.discrete", ["griper"], "action.discrete[0]", "'gripper'"),
    ("action.outputs", [], "action.outputs", "at least one"),
    (
        "action.outputs[0].select[1]",
        "sholder",
        "action.outputs[0].select[1]",
        "did you mean 'shoulder'",
    ),
    ("action.outputs[0].type", "std_msgs/msg/Empty", "action.outputs[0].type", "nothing"),
    ("action.outputs[0].limits.elbw", [0, 1], "action.outputs[0].limits.elbw", "'elbow'"),
    ("action.outputs[0].limits.elbow", [1, 0], "action.outputs[0].limits.elbow", "greater than"),
    ("action.outputs[0].joints", ["a"], "action.outputs[0].joints", "1 joints for 2 actions"),
    ("action.outputs[1].kind", ..., "action.outputs[1].kind", "is missing"),
    ("action.outputs[1].kind", "torque", "action.outputs[1].kind", "effort"),
    ("action.outputs[1].fallback", "zero", "action.outputs[1].fallback", "'zeros'"),
    (
        "action.outputs[1].topic",
        "arm/joint_trajectory",
        "action.outputs[1].topic",
        "written twice",
    ),
]


@pytest.mark.parametrize(
    ("section", "right", "misspelt"),
    [
        ("", "model", "modle"),
        ("observation", "trigger", "triger"),
        ("model", "id", "model_id"),
        ("action", "rate_hz", "rate"),
        ("observation.keys.state", "joints", "joint"),
        ("observation.keys.state", "topic", "topics"),
        ("action.outputs[1]", "kind", "kinds"),
    ],
)
def test_a_misspelt_key_is_told_rather_than_that_the_right_one_is_missing(
    section: str, right: str, misspelt: str
) -> None:
    prefix = f"{section}." if section else ""
    contract = changed(prefix + right, ...)
    place: Any = contract
    for step in filter(None, section.replace("[1]", ".1").split(".")):
        place = place[int(step) if isinstance(place, list) else step]
    place[misspelt] = 50
    with pytest.raises(ContractError) as caught:
        parse_contract(contract)
    assert caught.value.path == prefix + misspelt
    assert right in caught.value.problem


@pytest.mark.parametrize(("key", "value", "path", "hint"), WRONG, ids=[w[2] for w in WRONG])
def test_a_wrong_key_is_named_with_its_path(key: str, value: Any, path: str, hint: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_contract(changed(key, value))
    assert caught.value.path == path
    assert hint in caught.value.problem


WRONG = """
robot: many
model: policy
observation:
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: []}
    camera: {topic: camera, type: sensor_msgs/msg/Image, qos: sensr}
action:
  names: [shoulder, elbow]
  rate_hz: 50
  outputs:
    - {topic: a, type: std_msgs/msg/Float64MultiArray, kind: positon}
    - {topic: b, type: std_msgs/msg/Float64MultiArray, kind: effort, limits: [3, -3]}
"""


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "many.yaml"
    path.write_text(WRONG)
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    told = [line.split(": ")[:2] for line in str(caught.value).splitlines()]
    assert told == [
        [f"{path}:3", "model"],
        [f"{path}:6", "observation.keys.state.joints"],
        [f"{path}:7", "observation.keys.camera.qos"],
        [f"{path}:12", "action.outputs[0].kind"],
        [f"{path}:13", "action.outputs[1].limits"],
    ]


def test_a_file_that_is_no_yaml_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read"):
        load_contract(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("robot: [")
    with pytest.raises(ContractError, match="not valid YAML"):
        load_contract(broken)
    broken.write_text("just text")
    with pytest.raises(ContractError, match="expected a mapping"):
        load_contract(broken)


def test_on_is_a_word_and_a_key_given_twice_is_told(tmp_path: Path) -> None:
    assert parse_yaml("on: yes") == {"on": "yes"} and parse_yaml("a: true") == {"a": True}
    with pytest.raises(ContractError, match="line 2: key 'a' is given twice"):
        parse_yaml("a: 1\na: 2")


def test_zeros_under_position_control_and_holding_a_velocity_are_warned_of() -> None:
    zeros = parse_contract(changed("action.outputs[0].fallback", "zeros"))
    assert "zero pose" in zeros.warnings[0]
    hold = parse_contract(changed("action.outputs[1].fallback", "hold"))
    assert "keeps moving" in hold.warnings[0]


def test_a_topic_that_is_published_and_observed_is_warned_of() -> None:
    contract = parse_contract(changed("action.outputs[1].topic", "joint_states"))
    (warning,) = contract.warnings
    assert warning.startswith("action.outputs[1].topic: the bridge publishes joint_states and")
    assert "observation.keys.state reads it" in warning


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[3] / "config").rglob("contracts/*.yaml")), ids=str
)
def test_contracts_that_come_with_the_package_load(path: Path) -> None:
    assert load_contract(path).warnings == ()


PLUGIN = """
import numpy as np

from inferential_ros.options.yaml_values import number
from inferential_ros.convert import formed, input_converter, output_converter


@input_converter("sensor_msgs/msg/Temperature", max_age_s=None)
def temperature(section, message):
    unit = section.get("kelvin", number, 0.0)
    return formed(lambda m: np.float32([m.temperature + unit]), "float32", (1,))


@output_converter("std_msgs/msg/Float64", kinds=("effort",), kind="effort")
def lamp(section, context):
    return lambda values: context.message(data=float(values.sum()))
"""


def test_a_package_of_the_users_adds_converters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensor_msgs.msg import Temperature

    from inferential_ros.convert import registry

    (tmp_path / "my_converters.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_inputs", dict(registry._inputs))
    monkeypatch.setattr(registry, "_outputs", dict(registry._outputs))
    values = {**copy.deepcopy(GOOD), "converters": ["my_converters"]}
    heat = {"topic": "heat", "type": "sensor_msgs/msg/Temperature", "kelvin": 273.15}
    values["observation"]["keys"]["heat"] = heat
    lamp = {"topic": "lamp", "type": "std_msgs/msg/Float64"}
    values["action"]["outputs"].append(lamp)
    contract = parse_contract(values)
    key = contract.topics[-1]
    assert key.decode is not None and key.max_age_s is None
    np.testing.assert_allclose(key.decode(Temperature(temperature=20.0)), [293.15])
    output = contract.action.outputs[-1]
    assert (output.kind, output.encode(np.array([1.0, 2.0, 3.0])).data) == ("effort", 6.0)


@pytest.mark.parametrize("decorator", ["input_converter", "output_converter"])
def test_a_converter_that_exits_while_the_contract_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decorator: str
) -> None:
    from inferential_ros.convert import registry

    def exits(section: object, about: object) -> None:
        raise SystemExit("bye")

    monkeypatch.setattr(registry, "_inputs", dict(registry._inputs))
    monkeypatch.setattr(registry, "_outputs", dict(registry._outputs))
    values = copy.deepcopy(GOOD)
    if decorator == "input_converter":
        kind, there = "sensor_msgs/msg/Temperature", values["observation"]["keys"]
        there["odd"] = {"topic": "odd", "type": kind}
        path = "observation.keys.odd"
    else:
        kind, there = "std_msgs/msg/Float64", values["action"]["outputs"]
        there.append({"topic": "odd", "type": kind, "kind": "effort"})
        path = f"action.outputs[{len(there) - 1}]"
    getattr(registry, decorator)(kind)(exits)
    with pytest.raises(ContractError, match="its converter raised SystemExit: bye") as caught:
        parse_contract(values)
    assert caught.value.path == path


def test_a_module_of_converters_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    values = {**copy.deepcopy(GOOD), "converters": ["no_such_module_of_mine"]}
    with pytest.raises(ContractError) as caught:
        parse_contract(values)
    assert caught.value.path == "converters[0]"
    assert "cannot import no_such_module_of_mine: ModuleNotFoundError" in caught.value.problem


class Announced:
    """What importlib.metadata tells of a package that announces converters."""

    name, value = "mine", "announced_converters:module"


def test_an_installed_package_announces_its_converters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inferential_ros.contract import plugins
    from inferential_ros.convert import registry

    (tmp_path / "announced_converters.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_inputs", dict(registry._inputs))
    monkeypatch.setattr(registry, "_outputs", dict(registry._outputs))
    groups = {"inferential.converters": [Announced()]}
    monkeypatch.setattr(plugins, "entry_points", lambda group: groups[group])
    plugins.load_announced.cache_clear()
    parse_contract(copy.deepcopy(GOOD))
    assert "sensor_msgs/msg/Temperature" in registry.input_types()


def test_the_reference_and_the_default_trigger() -> None:
    contract = parse_contract(changed("observation.trigger", ...))
    assert contract.trigger.runway == 0.5 and contract.reference.name == "state"
    waiting = changed("observation.trigger", ...)
    waiting["action"]["mode"] = "open_loop"
    assert parse_contract(waiting).trigger.runway == 0.0
    camera = changed("observation.reference", "camera")
    assert parse_contract(camera).reference.name == "camera"


def test_the_reference_is_aligned_to_nothing() -> None:
    with pytest.raises(ContractError) as caught:
        parse_contract(changed("observation.keys.state.align", "drop"))
    assert caught.value.path == "observation.keys.state.align"
    assert "the reference" in caught.value.problem


def test_a_parameter_is_one_key() -> None:
    values = copy.deepcopy(GOOD)
    for name in ("order", "again"):
        values["observation"]["keys"][name] = {"parameter": "task"}
    with pytest.raises(ContractError, match=r"keys\.again\.parameter.*is key 'order' already"):
        parse_contract(values)


PLACES = """\
robot: arm
observation:
  keys:
    observation.state:
      topic: joint_states
      type: sensor_msgs/msg/JointState
      joints: [a, b]
      fields: [position]
model: {id: policy}
action:
  names: [a, b]
  rate_hz: 50
  outputs:
    - {topic: commands, type: std_msgs/msg/Float64MultiArray, kind: position}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        (
            "fields",
            "feilds",
            ":8: observation.keys.observation.state.feilds: unknown key; did you",
        ),
        ("50", "fast", ":12: action.rate_hz: expected a number, got str 'fast'"),
        ("  rate_hz: 50\n", "", ":10: action.rate_hz: is missing"),
        ("robot: arm\n", "rubbish: 1\n", ":1: rubbish: unknown key"),
        ("{id: policy}", "{}", ":9: model.id: is missing"),
        ("position}", "pose}", ":14: action.outputs[0].kind: unknown value 'pose'"),
        ("joints: [a, b]", "joints: [a, 7]", ":7: observation.keys.observation.state.joints[1]"),
        ("robot: arm", "robot: [", ":3: is not valid YAML: while parsing a flow"),
        ("robot: arm", "robot: arm\nrobot: arm", ":2: key 'robot' is given twice"),
    ],
)
def test_an_error_names_the_file_and_the_line_of_the_key(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(PLACES)
    load_contract(file)
    file.write_text(PLACES.replace(right, wrong))
    with pytest.raises(ContractError) as caught:
        load_contract(file)
    assert str(caught.value).startswith(f"{file}{told}"), str(caught.value)
