"""What holds of every mode, whatever arrives in whatever order: the rules, not examples."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from plans import MS, START, plan, rule

from inferential_ros.execution.executor import (
    Execution,
    Executor,
    PlanRefused,
    Rule,
    Source,
)
from inferential_ros.execution.modes import MODES
from inferential_ros.execution.overlap import SHARE_OF_OLD

PERIOD_MS, LIMIT, MAX_STEP = 20, 3.0, 0.5

executions = st.builds(
    Execution,
    mode=st.sampled_from(MODES),
    overlap=st.sampled_from(sorted(SHARE_OF_OLD)),
    execution_horizon=st.none() | st.integers(1, 8),
    temporal_ensemble_coeff=st.floats(0, 2),
    discrete=st.sampled_from([(), (1,)]),
    interpolate=st.booleans(),
    geometry=st.just(()),
)
fallbacks = st.sampled_from(["hold", "zeros", "none", "decelerate"])
values = st.floats(-10, 10) | st.sampled_from([np.nan, np.inf])


@st.composite
def arrivals(draw: st.DrawFn):
    """(arrival ms, plan): late, early, duplicated, reordered, of other shapes, with NaN."""
    horizon, width = draw(st.integers(1, 10)), draw(st.sampled_from([2, 2, 2, 2, 3]))
    rows = draw(
        st.lists(
            st.lists(values, min_size=width, max_size=width), min_size=horizon, max_size=horizon
        )
        if draw(st.integers(0, 9)) == 0
        else st.just([[draw(st.floats(-10, 10))] * width] * horizon)
    )
    arrival_ms = draw(st.integers(0, 1000))
    start_ms = arrival_ms - draw(st.integers(-100, 300))
    lease_ms = draw(st.none() | st.integers(1, 300))
    return arrival_ms, plan(rows, start_ms, draw(st.integers(0, 30)), lease_ms, PERIOD_MS)


@settings(max_examples=300)
@given(
    execution=executions,
    kinds=st.tuples(fallbacks, fallbacks),
    plans=st.lists(arrivals(), max_size=12),
)
def test_whatever_arrives_the_rules_hold(execution, kinds, plans) -> None:
    """Nothing before a valid plan, nothing after a lease, limits, steps, no going back."""
    rules = tuple(
        Rule((index,), kind, (-LIMIT,), (LIMIT,), "position", (MAX_STEP,), 0.2)
        for index, kind in enumerate(kinds)
    )
    executor = Executor(rules, 2, execution)
    plans = sorted(plans, key=lambda item: item[0])
    leases: dict[int, int] = {}  # request id -> end
    last: list = [None, None]
    newest_id = -1
    for ms in range(0, 1500, 10):
        now_ns = START + ms * MS
        while plans and plans[0][0] <= ms:
            _, arrived = plans.pop(0)
            try:
                pinned = executor.accept(arrived, now_ns)
            except PlanRefused:
                continue
            assert arrived.request_id > newest_id, "a duplicate or an older plan was accepted"
            assert np.isfinite(arrived.actions).all() and arrived.actions.shape[1] == 2
            newest_id = arrived.request_id
            leases[newest_id] = pinned.end_ns
            if arrived.lease_ns is not None:
                assert pinned.end_ns <= arrived.start_ns + arrived.lease_ns
        tick = executor.tick(now_ns)
        if not leases:
            assert tick.source is Source.WAITING and tick.values == (None, None)
        if tick.source is Source.PLAN:
            assert now_ns < leases[tick.request_id], "published after its lease"
            assert tick.step >= 0
        else:
            assert not executor.runway_ns(now_ns)
        for index, value in enumerate(tick.values):
            if value is None:
                continue
            assert -LIMIT <= value[0] <= LIMIT
            if last[index] is not None:
                assert abs(value[0] - last[index]) <= MAX_STEP + 1e-9
            last[index] = value[0]


@settings(max_examples=200)
@given(
    mode=st.sampled_from(["queue", "rtc"]),
    delays=st.lists(st.integers(0, 250), min_size=1, max_size=10),
    tick_ms=st.sampled_from([5, 10, 20, 33]),
)
def test_late_chunks_never_move_time_backwards(mode, delays, tick_ms) -> None:
    """Each plan says when each of its steps is due; what is published is never older than one
    period, and its time never goes back by more than the phase between two plans.
    """
    executor = Executor((rule(fallback="none"),), 1, Execution(mode=mode))
    horizon = 10
    due = sorted(
        (observed + delay, number, observed)
        for number, (observed, delay) in enumerate(zip(range(0, 1000, 70), delays), start=1)
    )
    executed_ms: list[float] = []
    for ms in range(0, 1500, tick_ms):
        while due and due[0][0] <= ms:
            _, number, observed = due.pop(0)
            times = [observed + k * PERIOD_MS for k in range(horizon)]
            try:
                executor.accept(plan(times, observed, number), START + ms * MS)
            except PlanRefused:
                continue
        tick = executor.tick(START + ms * MS)
        if tick.source is Source.PLAN:
            assert ms - PERIOD_MS < tick.values[0][0] <= ms
            executed_ms.append(float(tick.values[0][0]))
    for before, after in zip(executed_ms, executed_ms[1:]):
        assert after > before - PERIOD_MS


@settings(max_examples=100)
@given(order=st.permutations(range(6)), copies=st.lists(st.integers(0, 5), max_size=6))
def test_chunks_out_of_order_and_twice_leave_what_in_order_would(order, copies) -> None:
    """After all of them came, the newest one is executed, however they came."""
    chunks = [plan([number] * 50, number * 20, number + 1) for number in range(6)]
    executor = Executor((rule(),), 1)
    for number in [*order, *copies]:
        try:
            executor.accept(chunks[number], START + 200 * MS)
        except PlanRefused:
            pass
    assert executor.tick(START + 200 * MS).values[0][0] == 5
