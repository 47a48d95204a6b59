"""A share of `python -m robustness slips`: whatever a model does, nobody else notices."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

pytest.importorskip("pydantic", reason="the server side needs pydantic")

from robustness.slips import run

SEED = 7


@pytest.mark.parametrize(("way", "count"), [("threads", 92), ("processes", 8)])
def test_a_model_that_slips_costs_nobody_else_anything(way: str, count: int) -> None:
    found = run(way, count, SEED)
    assert found.broken == []
    assert sum(found.outcomes.values()) == count
    assert set(found.outcomes) <= {"ok", "error"}
    assert len(found.honest_s) > 10
