"""A share of `python -m robustness slips`: whatever a model does, nobody else notices."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

pytest.importorskip("pydantic", reason="the server side needs pydantic")

from robustness.slips.command import run

SEED = 7


@pytest.mark.parametrize(("way", "count"), [("threads", 86), ("processes", 10), ("ray", 4)])
def test_a_model_that_slips_costs_nobody_else_anything(way: str, count: int) -> None:
    if way == "ray" and find_spec("ray") is None:
        pytest.skip("needs Ray")
    found = run(way, count, SEED, pace_s=0.1 if way == "ray" else 0.01)
    assert found.broken == []
    assert sum(found.outcomes.values()) == count
    assert set(found.outcomes) <= {"ok", "error"}
    assert len(found.honest_s) > 10
