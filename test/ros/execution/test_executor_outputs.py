"""What each output makes of a plan and of the lack of one, by hand: limits, steps, fallbacks."""

from __future__ import annotations

import pytest
from plans import MS, START, Robot, plan, rule

from inferential_ros.execution.executor import Source


def robot(**more) -> Robot:
    return Robot(rule=rule(**more))


def test_a_command_goes_no_further_than_one_step_from_the_one_before() -> None:
    arm = robot(max_step=1.0)
    arm.accept(plan([0, 5, 5, 5, -5]), 0)
    assert arm.at(0, 20, 40, 60, 80) == [0, 1, 2, 3, 2]


def test_the_first_command_of_all_is_not_held_back() -> None:
    arm = robot(max_step=1.0, upper=4.0)
    arm.accept(plan([5, 5]), 0)
    assert arm.at(0) == [4]


def test_publishing_between_two_ticks_wins_no_extra_step() -> None:
    arm = robot(max_step=1.0)
    arm.accept(plan([0, 5, -5, 5]), 0)
    assert arm.at(0) == [0]

    def between(ms: float) -> float:
        return float(arm.executor.tick(START + int(ms * MS), on_time=False).values[0][0])

    assert [between(ms) for ms in (21, 22, 23)] == [1, 1, 1]
    assert arm.at(24) == [1]
    assert between(41) == 0  # one back from the tick before
    assert arm.at(42) == [0]
    assert between(61) == 1 and between(62) == 1


def test_the_step_holds_from_one_plan_to_the_next_and_after_a_silence() -> None:
    arm = robot(max_step=1.0, fallback="none")
    arm.accept(plan([0, 0]), 0)
    assert arm.at(0, 40) == [0, None]
    arm.accept(plan([9, 9, 9], start_ms=100, request_id=2), 100)
    assert arm.at(100, 120, 140) == [1, 2, 3]


@pytest.mark.parametrize("kind", ["velocity", "effort", "twist"])
def test_zeros_stop_at_once_whatever_the_step(kind: str) -> None:
    base = robot(max_step=1.0, fallback="zeros", kind=kind)
    base.accept(plan([5, 5]), 0)
    assert base.at(0, 40) == [5, 0]


def test_zeros_of_a_position_are_reached_step_by_step() -> None:
    arm = robot(max_step=2.0, fallback="zeros", kind="position")
    arm.accept(plan([5, 5]), 0)
    assert arm.at(0, 40, 60, 80, 100) == [5, 3, 1, 0, 0]


def test_hold_stays_where_it_got_to() -> None:
    arm = robot(max_step=1.0, fallback="hold")
    arm.accept(plan([0, 5]), 0)
    assert arm.at(0, 20, 40, 60) == [0, 1, 1, 1]


def test_a_velocity_decelerates_linearly_to_zero() -> None:
    base = robot(fallback="decelerate", kind="velocity", decelerate_s=0.1)
    base.accept(plan([4, 4]), 0)
    assert base.at(0, 20) == [4, 4]  # the ramp counts from the last action of the plan
    assert base.at(45, 70, 120, 500) == [3, 2, 0, 0]


def test_a_position_goes_on_with_a_velocity_that_falls_to_zero() -> None:
    arm = robot(fallback="decelerate", decelerate_s=0.1)
    arm.accept(plan([0, 2]), 0)  # 100 a second
    assert arm.at(0, 20) == [0, 2]
    # From 20 on: 2 + 100 t - 100 t^2 / 0.2, at most 2 + 100 * 0.1 / 2.
    assert arm.at(40, 70, 120, 500) == pytest.approx([3.8, 5.75, 7, 7])


def test_slowing_down_keeps_the_limits_and_the_step() -> None:
    arm = robot(fallback="decelerate", decelerate_s=0.1, upper=5.0, max_step=1.0)
    arm.accept(plan([1, 2]), 0)
    assert arm.at(0, 20) == [1, 2]
    assert arm.at(40, 60, 80, 100, 120) == pytest.approx([2.9, 3.6, 4.1, 4.4, 4.5])
    fast = robot(fallback="decelerate", decelerate_s=1.0, upper=5.0, max_step=1.0)
    fast.accept(plan([0, 2]), 0)
    assert fast.at(0, 20, 40, 60, 80, 100) == [0, 1, 2, 3, 4, 5]
    assert fast.at(1000) == [5]


def test_a_clock_that_is_set_back_lets_no_velocity_go_on() -> None:
    base = robot(fallback="decelerate", kind="velocity", decelerate_s=0.1)
    base.accept(plan([4, 4], start_ms=10_000), 10_000)
    assert base.at(10_000) == [4]
    base.executor.clear()
    assert base.at(0, 50, 100, 150) == [4, 2, 0, 0]


def test_a_new_plan_ends_the_fallback_and_the_next_one_begins_anew() -> None:
    base = robot(fallback="decelerate", kind="velocity", decelerate_s=0.1)
    base.accept(plan([4]), 0)
    assert base.at(0, 50) == [4, 2]
    base.accept(plan([8], start_ms=60, request_id=2), 60)
    assert base.at(60, 110) == [8, 4]


@pytest.mark.parametrize(
    ("more", "last"),
    [
        ({"fallback": "hold"}, 5),
        ({"fallback": "none"}, None),
        ({"fallback": "zeros", "kind": "effort"}, 0),
        ({"fallback": "decelerate", "kind": "twist"}, 0),
        ({"fallback": "decelerate", "kind": "position"}, 5),
        ({"fallback": "zeros", "kind": "effort", "lower": 1.0}, 1),
    ],
)
def test_the_last_word_is_where_the_fallback_leads_to(more, last) -> None:
    arm = robot(**more)
    assert arm.executor.rest().source is Source.WAITING
    arm.accept(plan([5, 5]), 0)
    arm.at(0)
    (value,) = arm.executor.rest().values
    assert (None if value is None else value.tolist()) == (None if last is None else [last])


def test_only_what_slows_down_takes_time_to_settle() -> None:
    arm = robot(fallback="decelerate", decelerate_s=0.2)
    assert arm.executor.settling_ns == 0  # nothing moved yet
    arm.accept(plan([5]), 0)
    arm.at(0)
    assert arm.executor.settling_ns == 200 * MS
    still = robot(fallback="zeros")
    still.accept(plan([5]), 0)
    still.at(0)
    assert still.executor.settling_ns == 0


def test_what_was_executed_is_noted_only_where_somebody_asks() -> None:
    arm = robot()
    told = []
    for request, (records, at_ms) in enumerate([(False, 0), (True, 20), (False, 40)], start=1):
        arm.executor.records = records
        arm.accept(plan([request] * 5, request_id=request), at_ms)
        executed = arm.executor.tick(START + at_ms * MS).executed
        told.append(executed and executed.request_id)
    assert told == [None, None, 2]
