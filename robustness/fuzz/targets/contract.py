"""The contract loader: a contract, or a ContractError that says where."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from inferential_ros.bridge.options import make_executor
from inferential_ros.contract import plugins
from inferential_ros.contract.describe import describe
from inferential_ros.contract.loading import parse_contract
from inferential_ros.execution.executor import Source
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_file import parse_yaml
from robustness.fuzz.targets.text import mutate_yaml

CONTRACTS = Path(__file__).parents[3] / "config"
WORDS = tuple(
    "robot model id latency_budget_ms priority supersede observation trigger on runway rate_hz"
    " keys topic type joints fields select layout max_age_s align tolerance_s stamp qos resize"
    " action names control_rate_hz lease_s execution mode queue rtc overlap ensemble outputs kind"
    " position velocity effort twist fallback hold zeros none decelerate limits max_step units"
    " reliable depth text parameter sensor_msgs/msg/Image geometry_msgs/msg/Twist"
    " std_msgs/msg/Float64MultiArray"
    " trajectory_msgs/msg/JointTrajectory sensor_msgs/msg/JointState std_msgs/msg/String".split()
)
mutate = partial(mutate_yaml, words=WORDS)


def seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CONTRACTS.rglob("*.yaml"))]


def check(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # told by the reader of the file
    # A contract names converters to import, which is the user's code and not for fuzzing.
    load, plugins._load = plugins._load, _refuse
    try:
        contract = parse_contract(parse_yaml(text))
    except ContractError as error:
        assert str(error)
        return
    finally:
        plugins._load = load
    describe(contract)
    executor = make_executor(contract)
    assert executor.tick(0).source is Source.WAITING
    assert round(1e9 / contract.action.control_rate_hz) > 0


def _refuse(module: str, place: str) -> None:
    raise ContractError(place, f"cannot import {module}")
