"""How many robots fit, by the server's own scheduler in simulated time."""

from __future__ import annotations

import pytest

from inferential_core.profiling.capacity import Robots, by_size, capacity, workload_of
from inferential_core.simulation.serving import MODEL, OurServer

L40S = [0.073, 0.110, 0.142, 0.178, 0.211]  # pi0.5, seconds for b = 1 to 5


def test_twice_the_deadline_needs_no_more_robots_and_a_faster_model_carries_more() -> None:
    robots = Robots(50.0, 50, 0.5)
    found = capacity(workload_of(L40S, robots), "deadline_aware")
    assert 10 <= found.robots <= 13 and not found.more  # 5 / 0.211 s answers, two a second each
    faster = capacity(workload_of([each / 2 for each in L40S], robots), "deadline_aware")
    assert faster.robots >= 1.8 * found.robots
    tight = capacity(workload_of(L40S, Robots(50.0, 50, 0.1)), "deadline_aware")
    assert tight.robots < found.robots


def test_no_robot_fits_where_one_call_takes_longer_than_a_chunk() -> None:
    assert capacity(workload_of([2.0], Robots(50.0, 50, 0.5)), "deadline_aware").robots == 0


def test_sizes_that_were_not_measured_are_padded_to_the_next() -> None:
    assert by_size({1: 0.1, 2: 0.2, 4: 0.3}, 8) == [0.1, 0.2, 0.3, 0.3]
    assert by_size({1: 0.1, 2: 0.2, 4: 0.3}, 2) == [0.1, 0.2]
    assert by_size({4: 0.3}, 3) == pytest.approx([0.3] * 3)


def test_the_simulated_server_serves_as_many_at_once_as_were_measured() -> None:
    server = OurServer(workload_of(L40S, Robots(50.0, 50, 0.5)), "deadline_aware", {}, True)
    assert server.model.most_at_once(server.scheduler.max_batch_size) == 5
    assert server.scheduler.pending.count(MODEL) == 0
