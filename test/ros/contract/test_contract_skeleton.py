"""The contract that `inferential model show` writes is right, but for the robot's own topics."""

from __future__ import annotations

from typing import Any

import pytest

from inferential_core.cli.contract_skeleton import skeleton
from inferential_ros.contract.loading import parse_contract
from inferential_ros.discovery.model_check import advice, check_model
from inferential_ros.options.yaml_file import parse_yaml

NAMES = [f"motor_{at}.pos" for at in range(14)]
LEROBOT = {
    "observation": {
        "observation.state": {"dtype": ["float32", "float64"], "shape": [14]},
        "observation.environment_state": {"dtype": ["float32", "float64"], "shape": [5]},
        "observation.images.front": {"dtype": "uint8", "shape": [None, None, 3]},
        "task": {"dtype": "string"},
    },
    "horizon": 50,
    "notes": {"action_columns": 14, "rtc": "yes, over 10 steps"},
}
SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "unnamed": LEROBOT,
    "named": {
        **LEROBOT,
        "action_names": NAMES,
        "control_rate_hz": 30.0,
        "notes": {"action_columns": 14, "state_names": NAMES, "rtc": "no: it cannot"},
    },
    "words that YAML takes for something else": {
        "observation": {"state": {"dtype": "float32", "shape": [3]}},
        "action_names": ["y", "null", "1.5"],
        "control_rate_hz": 12.5,
    },
    "GR00T, with a history": {
        "observation": {
            "video.ego": {"dtype": "uint8", "shape": [2, None, None, 3]},
            "state.arm": {"dtype": ["float32", "float64"], "shape": [None]},
            "annotation.human.task": {"dtype": "string"},
        },
        "notes": {"action_parts": ["action.arm", "action.hand"]},
    },
    "openpi": {
        "observation": {
            "observation/joint_position": {"dtype": ["float32", "float64"], "shape": [7]},
            "observation/wrist_image_left": {"dtype": "uint8", "shape": [None, None, 3]},
            "prompt": {"dtype": "string", "optional": True},
        },
        "horizon": 10,
        "notes": {"action_columns": 8},
    },
    "one action an observation": {**LEROBOT, "horizon": 1, "control_rate_hz": 50.0},
    "one action an observation, of an unknown rate": {**LEROBOT, "horizon": 1},
    "an image of floats": {
        "observation": {
            "pixels": {"dtype": "float32", "shape": [3, 48, 64]},
            "depth": {"dtype": "float64", "shape": [None, 8]},
        },
    },
}


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_the_contract_loads_and_fits_the_model(name: str) -> None:
    declared = SPECIFICATIONS[name]
    contract = parse_contract(parse_yaml(skeleton("arm", declared)))
    check_model(contract, declared)
    assert advice(contract, declared) == []
    assert contract.model.id == "arm"
    if "action_names" in declared:
        assert list(contract.action.names) == declared["action_names"]
    if name == "unnamed":
        assert (len(contract.action.names), contract.action.execution.mode) == (14, "rtc")
    assert "a guess" in skeleton("arm", declared)


def test_a_model_of_one_action_an_observation_is_asked_at_each_step() -> None:
    declared = SPECIFICATIONS["one action an observation"]
    text = skeleton("arm", declared)
    assert "  trigger: {rate_hz: 50} " in text
    rare = parse_contract(parse_yaml(text.replace("{rate_hz: 50}", "{runway: 0.5}")))
    check_model(rare, declared)
    (told,) = advice(rare, declared)
    assert told.startswith("observation.trigger: ") and "{rate_hz: 50}, as action.rate_hz" in told
