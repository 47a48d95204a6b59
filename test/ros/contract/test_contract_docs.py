"""Every snippet of docs/contract.md is one that loads, and every key of it is explained there."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 messages are not installed here")

from inferential_ros.contract.loading import parse_contract
from inferential_ros.convert import input_types, output_types
from inferential_ros.convert.bayer import DTYPES
from inferential_ros.convert.image import RAW
from inferential_ros.convert.registry import ANY
from inferential_ros.options.yaml_file import parse_yaml

PAGE = (Path(__file__).parents[3] / "docs" / "contract.md").read_text()
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
BASE = parse_yaml("""
model: {id: policy}
observation:
  keys:
    state: {topic: joint_states, type: sensor_msgs/msg/JointState, joints: [shoulder]}
action:
  names: [shoulder, elbow, forward, turn, gripper]
  rate_hz: 50
  outputs: [{topic: out, type: sensor_msgs/msg/JointState}]
""")


def with_snippet(snippet: str) -> Any:
    """The base contract with a snippet at the place that its first line names."""
    head, _, rest = snippet.partition("\n")
    contract, values = copy.deepcopy(BASE), parse_yaml(rest)
    if head == "# observation.keys, with tf2_msgs":
        pytest.importorskip("tf2_msgs.msg", reason="tf2_msgs is not built: make peers")
    if head.startswith("# observation.keys"):
        contract["observation"]["keys"].update(values)
    elif head == "# action.outputs":
        contract["action"]["outputs"] = values
    elif head == "# action":
        contract["action"].update(values)
    else:
        raise AssertionError(f"a snippet begins with the place it belongs to, not {head!r}")
    return contract


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_a_snippet_loads(snippet: str) -> None:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    if "control_msgs" in snippet:
        pytest.importorskip("control_msgs.msg", reason="control_msgs is not built: make peers")
    parse_contract(with_snippet(snippet))


def test_there_are_snippets_of_both_places() -> None:
    heads = [snippet.partition("\n")[0] for snippet in SNIPPETS]
    assert heads.count("# observation.keys") >= 3 and heads.count("# action.outputs") >= 1


def test_every_type_and_encoding_that_is_converted_is_on_the_page() -> None:
    families = {"MultiArray": "multi-arrays of std_msgs", "std_msgs/msg/": "scalars of std_msgs"}
    for name in {*input_types(), *output_types()} - {ANY}:
        package, short = name.split("/")[0], name.rpartition("/")[2].removesuffix("Stamped")
        family = next((told for part, told in families.items() if part in name), None)
        if package not in ("sensor_msgs", "geometry_msgs", "nav_msgs", "std_msgs", "inferential"):
            continue  # a converter of another test
        assert short in PAGE or (family and family in PAGE), name
    for encoding in set(RAW) - set(DTYPES):
        assert encoding in PAGE, encoding


@pytest.mark.parametrize(
    "module", sorted((Path(__file__).parents[3] / "inferential_ros").glob("con*/*.py")), ids=str
)
def test_every_key_that_is_read_is_explained(module: Path) -> None:
    for key in re.findall(r"section\.get\(\s*\"(\w+)\"", module.read_text()):
        assert f"`{key}`" in PAGE or f"`{key}:" in PAGE or f"{key}:" in PAGE, (module.name, key)
