"""Bytes that broke a reader once, and those that fuzzing begins with: a promise about each.

`make fuzz ARGS=coverage` looks for more; what it finds belongs into test/fuzz_seeds.
"""

from __future__ import annotations

import importlib
import logging
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

pytest.importorskip("pydantic", reason="the server side needs pydantic")

SEEDS = Path(__file__).parents[1] / "fuzz_seeds"
TARGETS = ("wire", "images", "configuration", "rights", "lerobot", "msgpack_doors")
MUTATIONS = 300


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A target switches it off: a process that fuzzes ends with it, this one goes on."""
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_found_and_begins_with_is_read_or_refused_by_name(target):
    module = importlib.import_module(f"robustness.fuzz.targets.{target}")
    found = [path.read_bytes() for path in sorted((SEEDS / target).glob("*"))]
    for data in (*module.seeds(), *found):
        module.check(data)


@pytest.mark.parametrize("target", TARGETS)
def test_mutations_are_read_or_refused_by_name(target):
    module = importlib.import_module(f"robustness.fuzz.targets.{target}")
    chance, seeds = random.Random(8), module.seeds()
    for _ in range(MUTATIONS):
        data = chance.choice(seeds)
        for _ in range(chance.randrange(1, 4)):
            data = module.mutate(data, chance)
        module.check(data)
