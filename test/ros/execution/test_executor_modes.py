"""The ways to execute chunks, against sequences computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from plans import MS, START, Robot, plan, rule

from inferential_ros.execution.plan import PlanRefused, PlanTooLate


def test_open_loop_begins_a_chunk_when_it_arrives_and_runs_it_to_its_end() -> None:
    robot = Robot("open_loop")
    pinned = robot.accept(plan([10, 11, 12]), 70)  # later than it is long: the robot waited
    assert (pinned.start_ns, pinned.stamp_ns) == (START + 70 * MS, START)
    assert robot.at(70, 90, 110, 129) == [10, 11, 12, 12]
    with pytest.raises(PlanRefused, match="not over"):
        robot.accept(plan([20, 21, 22], request_id=2), 100)
    assert robot.at(110, 130) == [12, 12]
    robot.accept(plan([20, 21, 22], start_ms=100, request_id=3), 150)
    assert robot.at(150, 170) == [20, 21]


def test_open_loop_executes_no_more_than_its_execution_horizon() -> None:
    robot = Robot("open_loop", execution_horizon=2, rule=rule(fallback="none"))
    robot.accept(plan([10, 11, 12, 13]), 0)
    assert robot.at(0, 20, 40) == [10, 11, None]
    assert robot.executor.runway_ns(START + 40 * MS) == 0


def test_in_open_loop_the_lease_counts_from_the_observation_all_the_same() -> None:
    robot = Robot("open_loop", rule=rule(fallback="none"))
    robot.accept(plan([10, 11, 12], lease_ms=50), 30)
    assert robot.at(30, 49.999, 50) == [10, 10, None]
    with pytest.raises(PlanTooLate):
        robot.accept(plan([10, 11, 12], start_ms=60, lease_ms=50, request_id=2), 110)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("latest", [20, 30, 40, 50, 60]),
        ("average", [15.5, 21, 26.5, 50, 60]),
        ("weighted_average", [17.3, 24.6, 31.9, 50, 60]),  # 0.3 old, 0.7 new
        ("conservative", [13.7, 17.4, 21.1, 50, 60]),  # 0.7 old, 0.3 new
    ],
)
def test_where_plans_overlap_they_are_mixed(overlap: str, expected: list[float]) -> None:
    robot = Robot(overlap=overlap)
    robot.accept(plan([9, 10, 11, 12, 13]), 0)
    assert robot.at(0, 20) == [9, 10]
    # At 40, 60 and 80 the old plan says 11, 12 and 13, and then no more.
    robot.accept(plan([20, 30, 40, 50, 60], start_ms=40, request_id=2), 40)
    robot_at = robot.at(40, 60, 80, 100, 120)
    old = [11, 12, 13]
    share = {"latest": 0, "average": 0.5, "weighted_average": 0.3, "conservative": 0.7}[overlap]
    by_hand = [share * o + (1 - share) * n for o, n in zip(old, [20, 30, 40])] + [50, 60]
    assert robot_at == pytest.approx(by_hand)
    assert robot_at == pytest.approx(expected)


def test_what_was_mixed_is_what_the_next_plan_is_mixed_with() -> None:
    robot = Robot(overlap="average")
    robot.accept(plan([0, 0, 0, 0]), 0)
    robot.accept(plan([4, 4, 4], start_ms=20, request_id=2), 20)  # 2, 2, 2
    robot.accept(plan([8, 8, 8], start_ms=40, request_id=3), 40)  # (2 + 8) / 2 twice, then 8
    assert robot.at(40, 60, 80) == [5, 5, 8]


def test_a_plan_that_counts_from_another_instant_is_read_between_its_steps() -> None:
    robot = Robot(overlap="average")
    robot.accept(plan([0, 10, 20, 30]), 0)
    # At 25, 45 and 65 the old plan says 12.5, 22.5 and, after its last step began, 30.
    robot.accept(plan([0, 0, 0, 0], start_ms=25, request_id=2), 25)
    assert robot.at(25, 45, 65, 85) == [6.25, 11.25, 15, 0]


def test_an_old_plan_is_mixed_in_only_until_its_lease_ends() -> None:
    robot = Robot(overlap="average")
    robot.accept(plan([0, 0, 0, 0], lease_ms=50), 0)
    robot.accept(plan([8, 8, 8, 8], start_ms=20, request_id=2), 20)
    assert robot.at(20, 40, 60, 80) == [4, 4, 8, 8]


def test_a_discrete_column_is_the_newer_plans_alone() -> None:
    for mode, more in (("queue", {"overlap": "average"}), ("temporal_ensemble", {})):
        robot = Robot(mode, dimension=2, discrete=(1,), **more)
        robot.accept(plan([[0, 0]] * 3), 0)
        robot.accept(plan([[8, 1]] * 3, start_ms=20, request_id=2), 20)
        value, gripper = robot.at(20)[0]
        assert 0 < value < 8 and gripper == 1


def test_temporal_ensembling_weights_the_oldest_most() -> None:
    m = 0.5
    robot = Robot("temporal_ensemble", temporal_ensemble_coeff=m)
    robot.accept(plan([0, 1, 2, 3]), 0)
    robot.accept(plan([10, 20, 30, 40], start_ms=20, request_id=2), 20)
    robot.accept(plan([100, 200, 300, 400], start_ms=40, request_id=3), 40)
    w0, w1, w2 = 1.0, math.exp(-m), math.exp(-2 * m)
    assert robot.at(40) == pytest.approx([(w0 * 2 + w1 * 20 + w2 * 100) / (w0 + w1 + w2)])
    # The first plan is over at 80: the second one is the oldest then.
    assert robot.at(80) == pytest.approx([(w0 * 40 + w1 * 300) / (w0 + w1)])
    assert robot.at(100) == [400]
    assert robot.executor.runway_ns(START + 40 * MS) == 80 * MS


def test_the_ensemble_leaves_out_plans_whose_lease_is_over() -> None:
    robot = Robot("temporal_ensemble", temporal_ensemble_coeff=0.0)
    robot.accept(plan([0, 0, 0, 0], lease_ms=40), 0)
    robot.accept(plan([8, 8, 8, 8], start_ms=20, request_id=2), 20)
    assert robot.at(20, 39, 40) == [4, 4, 8]


def test_rtc_skips_the_first_d_steps_and_takes_over_between_two() -> None:
    robot = Robot("rtc")
    robot.accept(plan([0, 1, 2, 3, 4, 5, 6, 7]), 0)
    assert robot.at(0, 20, 40) == [0, 1, 2]
    # Observed at 40, arrived at 85: steps 0 to 2 of the new one are past or under way, d = 3.
    robot.accept(plan([10, 11, 12, 13, 14, 15, 16, 17], start_ms=40, request_id=2), 85)
    assert robot.at(85, 99, 100, 120) == [4, 4, 13, 14]


def test_rtc_takes_over_at_once_where_there_is_nothing_else_to_execute() -> None:
    robot = Robot("rtc")
    robot.accept(plan([0, 1, 2], lease_ms=50), 0)
    assert robot.at(40) == [2]
    robot.accept(plan([10, 11, 12, 13], start_ms=5, request_id=2), 46)  # 65 is after the lease
    assert robot.at(46, 49.999, 50, 65) == [2, 2, 12, 13]
    robot.executor.clear()
    robot.accept(plan([20, 21, 22], start_ms=70, request_id=3), 95)
    assert robot.at(95) == [21]


def test_rtc_goes_on_with_the_plan_at_hand_until_one_begins_that_is_not_due_yet() -> None:
    robot = Robot("rtc")
    robot.accept(plan([0, 1, 2, 3, 4, 5, 6, 7]), 0)
    robot.accept(plan([10, 11, 12], start_ms=50, request_id=2), 5)
    assert robot.at(5, 20, 30, 49.999, 50, 70) == [0, 1, 1, 2, 10, 11]


def test_rtc_tells_the_model_what_is_left_at_the_times_of_its_steps() -> None:
    robot = Robot("rtc", dimension=2, discrete=(1,))
    assert robot.executor.left_over(START) is None
    robot.accept(plan([[0, 0], [10, 0], [20, 1], [30, 1]]), 0)
    rows, steps = robot.executor.left_over(START + 25 * MS)
    assert steps == 3 and rows.dtype == np.float32
    # At 25, 45 and 65; then the last one again, not zeros. The gripper is never half closed.
    assert rows.tolist() == [[12.5, 0], [22.5, 1], [30, 1], [30, 1]]
    assert robot.executor.left_over(START + 80 * MS) is None


def test_other_modes_send_no_left_over() -> None:
    robot = Robot("queue")
    robot.accept(plan([0, 1, 2]), 0)
    assert robot.executor.left_over(START) is None


def test_the_delay_is_counted_in_actions_consumed_and_the_first_call_does_not_count() -> None:
    robot = Robot("rtc")
    assert robot.executor.delay_steps == 1  # nothing is known yet
    robot.accept(plan([0] * 50), 400)
    assert robot.executor.delay_steps == 1
    robot.at(*range(400, 560, 20))
    # Observed at 505: the steps due at 500, 520 and 540 were executed meanwhile.
    robot.accept(plan([0] * 50, start_ms=505, request_id=2), 550)
    assert robot.executor.delay_steps == 3


def test_what_was_executed_before_the_clock_went_back_is_no_delay() -> None:
    robot = Robot("rtc")
    robot.accept(plan([0] * 50, start_ms=5000), 5000)
    robot.at(*range(5000, 6000, 20))
    robot.executor.clear()  # a simulation began anew
    robot.accept(plan([0] * 50, request_id=2), 30)
    assert robot.executor.delay_steps == 0
    robot.at(40, 60, 80)
    robot.accept(plan([0] * 50, start_ms=40, request_id=3), 90)
    assert robot.executor.delay_steps == 3


def test_what_is_not_executed_is_no_delay() -> None:
    robot = Robot("rtc")
    robot.accept(plan([0] * 4), 0)
    robot.at(0, 20, 40, 60)
    # The robot stood still from 80 on: from 45 to 200 it executed two steps, not eight.
    robot.accept(plan([0] * 20, start_ms=45, request_id=3), 200)
    assert robot.executor.delay_steps == 2


def test_between_steps_values_are_interpolated_and_discrete_ones_the_nearer() -> None:
    robot = Robot(dimension=2, discrete=(1,), interpolate=True)
    robot.accept(plan([[0, 0], [10, 1], [30, 0]]), 0)
    assert robot.at(0, 5, 9, 10, 15, 20, 30, 40, 50) == [
        [0, 0],
        [2.5, 0],
        [4.5, 0],
        [5, 1],
        [7.5, 1],
        [10, 1],
        [20, 0],
        [30, 0],
        [30, 0],  # the last step is kept for its whole period
    ]


def test_pending_is_what_will_be_published_and_executed_what_was() -> None:
    robot = Robot(overlap="average", rule=rule(lower=0, upper=14))
    robot.accept(plan([9, 10, 11, 12, 13]), 0)
    robot.at(0, 20)
    robot.accept(plan([20, 30, 40, 2], start_ms=40, request_id=2), 45)
    ahead = robot.executor.pending(START + 45 * MS)
    assert ahead.start_ns == START + 40 * MS and ahead.end_ns == START + 120 * MS
    assert ahead.actions[:, 0].tolist() == [14, 14, 14, 2]  # 15.5, 21, 26.5 and 2, limited
    tick = robot.executor.tick(START + 45 * MS)
    assert tick.executed.actions[:, 0].tolist() == [9, 10]
    assert (tick.executed.start_ns, tick.executed.request_id) == (START, 1)
    robot.at(60, 100)  # the loop stalled in between: what was sent at 60 stayed
    ended = robot.executor.tick(START + 120 * MS).executed
    assert ended.actions[:, 0].tolist() == [14, 14, 14, 2]
    assert ended.start_ns == START + 40 * MS


def test_a_gap_ahead_ends_what_is_pending() -> None:
    robot = Robot()
    robot.accept(plan([9, 10, 11]), 0)
    robot.accept(plan([20, 21], start_ms=500, request_id=2), 0)
    assert robot.executor.runway_ns(START) == 60 * MS
    ahead = robot.executor.pending(START)
    assert ahead.actions[:, 0].tolist() == [9, 10, 11]
