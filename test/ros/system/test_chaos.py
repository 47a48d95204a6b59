"""A seeded share of `make chaos`: real robots, bridges over DDS, faults, and what they noticed.

Whether everybody is back is judged here, not how soon: the bar of 3 s is for `make chaos`, on a
machine that does nothing else.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3]))  # behind the packages under test

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("pydantic", reason="the server side needs pydantic")

from robustness.chaos.command import chosen, play

SEED = 8
ROBOTS = 10
FAULTS = ("server killed", "model returns shapes", "clock set back", "link cut")


@pytest.mark.timeout(240)
def test_robots_keep_their_leases_and_come_back_whatever_fails(tmp_path: Path) -> None:
    rows = play(chosen(FAULTS), SEED, ROBOTS, tmp_path)
    assert sorted(row.name for row in rows) == sorted(FAULTS)
    for row in rows:
        assert row.outcomes["sent"] > ROBOTS, row
        assert row.beyond == 0, row.broken
        assert row.accounts == ""
        assert all(map(math.isfinite, row.back_s.values())), row
    shapes = next(row for row in rows if row.name == "model returns shapes")
    assert shapes.outcomes["refused"] > 0
    killed = next(row for row in rows if row.name == "server killed")
    assert killed.outcomes["lost"] > 0 and killed.outcomes["ok"] > 0
