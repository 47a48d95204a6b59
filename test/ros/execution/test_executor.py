"""The executor against sequences computed by hand; milliseconds below, nanoseconds inside."""

from __future__ import annotations

import numpy as np
import pytest
from plans import MS, START, plan, rule

from inferential_ros.execution.executor import Executor, PlanRefused, Source
from inferential_ros.execution.plan import Plan


def at(executor: Executor, ms: float):
    """What is published `ms` after START: (source, value of the only output or None)."""
    tick = executor.tick(START + int(ms * MS))
    value = tick.values[0]
    return tick.source, None if value is None else value.tolist()


def test_nothing_is_published_before_the_first_plan() -> None:
    executor = Executor((rule(fallback="zeros"),), 1)
    assert at(executor, 0) == (Source.WAITING, None)
    assert executor.runway_ns(START) == 0


def test_each_step_is_due_at_its_time() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12]), START)
    published = [at(executor, ms)[1] for ms in (0, 19.999, 20, 39, 40, 59.999)]
    assert published == [[10], [10], [11], [11], [12], [12]]
    assert at(executor, 60)[0] is Source.FALLBACK


def test_steps_already_passed_on_arrival_are_skipped() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12, 13]), START + 45 * MS)
    assert at(executor, 45) == (Source.PLAN, [12])
    assert executor.runway_ns(START + 45 * MS) == 35 * MS


def test_a_stalled_loop_does_not_shift_the_plan() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12, 13, 14]), START)
    assert at(executor, 0)[1] == [10]
    assert at(executor, 85)[1] == [14]


def test_the_newest_plan_replaces_the_one_at_hand() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12, 13]), START)
    executor.accept(plan([21, 22, 23, 24], start_ms=20, request_id=2), START + 30 * MS)
    assert [at(executor, ms)[1] for ms in (30, 40, 60, 80)] == [[21], [22], [23], [24]]


def test_a_plan_that_was_replaced_does_not_come_again_for_a_caller_who_is_late() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12, 13]), START)
    executor.accept(plan([21, 22, 23, 24], start_ms=20, request_id=2), START + 30 * MS)
    assert at(executor, 29.999)[1] == [21]


def test_a_plan_that_is_not_due_yet_waits_and_the_old_one_goes_on() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12, 13]), START)
    executor.accept(plan([20, 21], start_ms=40, request_id=2), START + 5 * MS)
    assert [at(executor, ms)[1] for ms in (5, 20, 40, 60)] == [[10], [11], [20], [21]]


def test_the_runway_bridges_into_a_plan_that_is_not_due_yet() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12, 13]), START)
    executor.accept(plan([20, 21, 22], start_ms=60, request_id=2), START)
    assert executor.runway_ns(START) == 120 * MS
    executor.accept(plan([30], start_ms=500, request_id=3), START)
    assert executor.runway_ns(START) == 80 * MS


def test_nothing_is_published_from_the_end_of_the_lease_on() -> None:
    executor = Executor((rule(fallback="none"),), 1)
    executor.accept(plan([10, 11, 12, 13], lease_ms=50), START)
    assert at(executor, 49.999) == (Source.PLAN, [12])
    assert at(executor, 50) == (Source.FALLBACK, None)
    assert executor.runway_ns(START + 10 * MS) == 40 * MS


def test_a_lease_longer_than_the_plan_does_not_prolong_it() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11], lease_ms=1000), START)
    assert at(executor, 20) == (Source.PLAN, [11])
    assert at(executor, 40)[0] is Source.FALLBACK


def test_each_output_falls_back_as_it_declared() -> None:
    rules = (rule((0, 2), "hold"), rule((1,), "zeros"), rule((2,), "none"))
    executor = Executor(rules, 3)
    executor.accept(plan([[1, 2, 3], [4, 5, 6]]), START)
    ready = executor.tick(START)
    assert [v.tolist() for v in ready.values] == [[1, 3], [2], [3]]
    executor.tick(START + 20 * MS)
    dry = executor.tick(START + 40 * MS)
    assert dry.source is Source.FALLBACK
    assert dry.values[0].tolist() == [4, 6]  # the last target
    assert dry.values[1].tolist() == [0]
    assert dry.values[2] is None


def test_hold_repeats_what_was_published_not_what_was_planned() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12]), START)
    at(executor, 0)
    assert at(executor, 100) == (Source.FALLBACK, [10])


def test_everything_sent_lies_within_the_limits() -> None:
    executor = Executor((rule(lower=0.5, upper=1.0, fallback="zeros"),), 1)
    executor.accept(plan([-5, 5, 0.75]), START)
    assert [at(executor, ms)[1] for ms in (0, 20, 40, 60)] == [[0.5], [1.0], [0.75], [0.5]]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (plan([1, float("nan")]), "NaN"),
        (plan([1, float("inf")]), "NaN"),
        (plan([[1, 2]]), "shape"),
        (plan(np.zeros((0, 1))), "shape"),
        (Plan(np.zeros(3), START, 20 * MS, 60 * MS), "shape"),
        (Plan(np.zeros(()), START, 20 * MS, 60 * MS), "shape"),
        (Plan(np.array([["a"]]), START, 20 * MS, 60 * MS), "dtype"),
        (plan([1], epoch=3), "epoch"),
        (plan([1], lease_ms=0, request_id=2), "lease"),
        (plan([1, 2], start_ms=-100, request_id=2), "past"),
        (plan([1, 2]), "twice"),
        (plan([1, 2], request_id=0), "older"),
    ],
)
def test_a_bad_plan_is_refused_whole_and_changes_nothing(bad: Plan, why: str) -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12]), START)
    with pytest.raises(PlanRefused, match=why):
        executor.accept(bad, START)
    assert [at(executor, ms)[1] for ms in (0, 20, 40)] == [[10], [11], [12]]


def test_a_refused_first_plan_is_no_first_plan() -> None:
    executor = Executor((rule(fallback="zeros"),), 1)
    with pytest.raises(PlanRefused):
        executor.accept(plan([float("nan")]), START)
    assert at(executor, 0) == (Source.WAITING, None)


def test_a_new_epoch_drops_the_plan_and_refuses_the_old_ones_but_still_holds() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11, 12]), START)
    at(executor, 0)
    assert executor.new_epoch() == 1
    assert at(executor, 5) == (Source.FALLBACK, [10])
    with pytest.raises(PlanRefused, match="epoch"):
        executor.accept(plan([20, 21], request_id=2), START)
    executor.accept(plan([30, 31], request_id=3, epoch=1), START)
    assert at(executor, 10) == (Source.PLAN, [30])


def test_a_plan_far_in_the_future_does_not_block_the_ones_after_it() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([99], start_ms=3_600_000, request_id=1), START)
    executor.accept(plan([10, 11], request_id=2), START)
    assert at(executor, 0) == (Source.PLAN, [10])


def test_a_tick_tells_which_request_and_step_it_came_from() -> None:
    executor = Executor((rule(),), 1)
    executor.accept(plan([10, 11], request_id=7), START)
    tick = executor.tick(START + 20 * MS)
    assert (tick.request_id, tick.step) == (7, 1)
