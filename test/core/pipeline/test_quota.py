"""What a single client may take of the server: observations, bytes that wait, and how often."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from accounting import assert_balanced

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.clock import FakeClock
from inferential_core.tracking.quota import Quota

LONG_MS = 20_000  # a bound, not a delay


def test_a_quota_holds_on_average_and_lets_a_second_s_worth_through_at_once() -> None:
    clock = FakeClock(100.0)
    quota = Quota(10.0, None)
    passed = sum(not quota.exceeded(1, clock.now()) for _ in range(50))
    assert passed == 10
    for _ in range(1000):
        clock.advance(0.01)
        passed += not quota.exceeded(1, clock.now())
    assert 110 <= passed <= 111  # 10 s


def test_what_is_larger_than_a_second_s_worth_passes_and_is_paid_for() -> None:
    clock = FakeClock(100.0)
    quota = Quota(None, 1000.0)
    passed = 0
    for _ in range(1000):
        passed += not quota.exceeded(5000, clock.now())
        clock.advance(0.1)
    assert 20 <= passed <= 21  # 100 s
    assert quota.exceeded(5000, clock.now()) == "1000 bytes a second"


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"max_bytes_per_client": 100_000}, "bytes of this client wait, limit 100000"),
        ({"max_requests_per_client": 2}, "observations of this client wait, limit 2"),
        ({"max_rate_hz_per_client": 2.0}, "a client may send 2 observations a second"),
        ({"max_bytes_per_s_per_client": 100_000}, "a client may send 100000 bytes a second"),
    ],
)
def test_what_is_beyond_a_limit_is_rejected_and_the_others_are_served(
    limit: dict[str, float], told: str
) -> None:
    answer = threading.Event()

    def slow(obs: dict) -> dict:
        assert answer.wait(LONG_MS / 1000)
        return {"actions": np.zeros(1)}

    config = InferentialConfig(limits=limit)
    models = LocalDispatcher({"policy": slow})
    with (
        Server("tcp://127.0.0.1:0", config=config, dispatcher=models) as server,
        Connection(server.address, client_id="greedy") as greedy,
        Connection(server.address, client_id="modest") as modest,
    ):
        wants = greedy.model("policy")
        for _ in range(5):
            wants.observe(x=np.zeros(40_000, np.uint8))
        asks = modest.model("policy")
        asks.observe(x=np.zeros(7))
        gives_up = time.monotonic() + LONG_MS / 1000
        while server.status()["received"] < 6:  # else some come when others are answered
            assert time.monotonic() < gives_up
            time.sleep(0.001)
        answer.set()
        replies = [wants.get_reply(LONG_MS) for _ in range(5)]
        assert [reply.status for reply in replies[:2]] == [Status.OK] * 2
        assert replies[-1].status is Status.REJECTED
        assert told in replies[-1].error
        assert asks.get_reply(LONG_MS).status is Status.OK
        if "a second" not in told:  # what has ended no longer counts
            wants.observe(x=np.zeros(40_000, np.uint8))
            assert wants.get_reply(LONG_MS).status is Status.OK
        assert_balanced(server)
