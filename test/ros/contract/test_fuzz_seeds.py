"""Contracts that broke their loader once, and those that fuzzing begins with.

`make fuzz ARGS=coverage` looks for more; what it finds belongs into test/fuzz_seeds.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3]))  # behind the packages under test

pytest.importorskip("pydantic", reason="the server side needs pydantic")
pytest.importorskip("sensor_msgs.msg", reason="ROS 2 is not installed here")

from inferential_ros.contract.loading import parse_contract
from inferential_ros.options.yaml_file import parse_yaml
from robustness.fuzz.targets import contract

FOUND = Path(__file__).parents[2] / "fuzz_seeds" / "contract"
MUTATIONS = 300


@pytest.mark.parametrize("path", sorted(FOUND.iterdir()), ids=lambda path: path.name)
def test_what_fuzzing_found_is_read_or_refused_with_its_place(path: Path) -> None:
    contract.check(path.read_bytes())


def test_what_fuzzing_begins_with_is_understood() -> None:
    """Otherwise it would reach little of the loader."""
    for data in contract.seeds():
        values = parse_yaml(data.decode())
        if "robot" in values:
            assert parse_contract(values).action.outputs


def test_mutated_contracts_are_read_or_refused_with_their_place() -> None:
    chance, seeds = random.Random(8), contract.seeds()
    for _ in range(MUTATIONS):
        data = chance.choice(seeds)
        for _ in range(chance.randrange(1, 4)):
            data = contract.mutate(data, chance)
        contract.check(data)
