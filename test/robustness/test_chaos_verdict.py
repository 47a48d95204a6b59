"""The judges of `make chaos` and `make soak` see what is wrong."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

pytest.importorskip("pydantic", reason="the server side needs pydantic")

from robustness.chaos.cast.witness import LEASE_S, Witness
from robustness.chaos.verdict import BACK_S, Row, judge_accounts, judge_robots
from robustness.soak import slope_per_minute

PERIOD_S = 0.05
STEPS = round(LEASE_S / PERIOD_S)


def witness() -> Witness:
    seen = Witness("robot", PERIOD_S)
    seen.asked(1, 10.0)
    return seen


def test_an_action_within_its_lease_is_none_beyond_it():
    seen = witness()
    seen.published(1, STEPS - 1, 10.0 + LEASE_S)
    assert seen.judge(10.0, 10.5, 11.0)["beyond"] == 0


@pytest.mark.parametrize(
    ("tag", "step", "at"),
    [(1, STEPS, 10.2), (1, 3, 10.0 + LEASE_S + 1.1 * PERIOD_S), (2, 0, 10.2)],
)
def test_a_step_a_moment_or_a_plan_that_may_not_be_is_beyond_the_lease(tag, step, at):
    seen = witness()
    seen.published(tag, step, at)
    found = seen.judge(10.0, 10.5, 12.0)
    assert found["beyond"] == 1 and found["told"]


def test_a_clock_that_was_set_does_not_hide_the_age_that_stamps_tell():
    seen = witness()
    seen.published(1, 0, 10.1, age_s=3600.0)
    assert seen.judge(10.0, 10.5, 11.0)["beyond"] == 1


def test_silence_and_return_are_measured_from_what_was_published():
    seen = witness()
    seen.asked(2, 12.2)
    seen.published(1, 0, 10.1)
    seen.published(1, 1, 12.1)  # after the fault's end, but of what was seen before it
    seen.published(2, 0, 12.4)
    found = seen.judge(10.0, 12.0, 13.0)
    assert found["silence_s"] == pytest.approx(2.0)
    assert found["back_s"] == pytest.approx(0.4)
    assert seen.lives(12.2) and not seen.lives(12.3)


def test_a_robot_that_does_not_come_back_breaks_a_promise():
    row = Row("fault", 1.0)
    found = {"silence_s": 9.0, "back_s": math.inf, "beyond": 0, "told": [], "oldest_s": 0.5}
    judge_robots(row, "robots", [found, {**found, "back_s": BACK_S}])
    assert row.broken == ["1 robots were not back within 3 s"]


def accounts(sent=3, received=3, exact=True, unended=0, unbalanced=0, **ended):
    row = Row("fault", 1.0)
    counts = Counter(sent=sent, **(ended or {"ok": sent}))
    judge_accounts(
        row,
        {"robot": counts},
        {"robot": 5},
        {"robot": 5 + received},
        exact=exact,
        unended=unended,
        unbalanced=unbalanced,
    )
    return row.accounts


def test_accounts_that_add_up():
    assert accounts() == ""
    assert accounts(ok=2, expired=1) == ""
    assert accounts(received=2, exact=False, ok=2, lost=1) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"received": 2},
        {"received": 4},
        {"ok": 2},
        {"ok": 4},
        {"unended": 1},
        {"unbalanced": 1},
        {"received": 4, "exact": False},
        {"received": 1, "exact": False, "ok": 2, "lost": 1},
    ],
)
def test_accounts_that_do_not(wrong):
    assert accounts(**wrong)


def test_a_slope_is_that_of_most_samples():
    minutes = [float(n) for n in range(30)]
    growing = [100 + 0.2 * minute for minute in minutes]
    growing[10] += 50  # one odd sample
    assert slope_per_minute(minutes, growing) == pytest.approx(0.2)
