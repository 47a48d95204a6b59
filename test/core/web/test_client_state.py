"""What is said of a robot, from how its requests ended; the times are made up."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inferential_core.dispatch.base import Batch
from inferential_core.request import InferenceRequest
from inferential_core.status import Status
from inferential_core.tracking.recent import Cursor, Ended, Events, Recent, Served
from inferential_core.web.client_state import judge
from inferential_core.web.window import ANSWERS, BIN_S, BINS, ClientWindow, ModelWindow, Windows

NOW = 1000.0


def request(
    client: str = "arm", received_at: float = NOW - 1, due: float = NOW
) -> InferenceRequest:
    return InferenceRequest(client, "m", received_at=received_at, deadline=due)


def client(**more: Any) -> dict[str, Any]:
    told = {"connected": True, "silence_s": 0.05, "rate_hz": 10.0, "overdue": False}
    counts = {"received": 50, "ok": 50, "failed": 0, "deadline_hits": 50, "deadline_misses": 0}
    return {**told, **counts, "last_error": "", **more}


def window(*ends: tuple[float, float, float]) -> ClientWindow:
    found = ClientWindow(NOW - 100)
    for end in ends:
        found.add(*end)
    return found


IN_TIME, LATE, NONE = (0.02, 0.1), (0.2, -0.1), (math.nan, -0.1)


@pytest.mark.parametrize(
    ("ends", "state", "why"),
    [
        ([IN_TIME] * 10, "active", ""),
        ([IN_TIME] * 8 + [LATE] * 2, "active", ""),  # one in five is borne
        ([IN_TIME] * 7 + [LATE] * 3, "starving", "3 late of 10 in 3 s"),
        ([IN_TIME] * 2 + [LATE] + [NONE] * 2, "starving", "1 late and 2 not answered of 5 in 3 s"),
        ([NONE], "starving", "1 not answered of 1 in 3 s"),
        ([], "active", ""),
    ],
)
def test_who_is_answered_late_or_not_at_all_starves(
    ends: list[tuple[float, float]], state: str, why: str
) -> None:
    found = window(*((NOW - 0.1, *end) for end in ends))
    assert judge(client(), found, NOW, 1.5) == (state, why)


def test_who_is_not_answered_is_told_with_the_reason_and_who_is_late_without() -> None:
    told = client(last_error="rejected: client 'arm' is not among the known clients")
    unanswered, late = window((NOW - 0.1, *NONE)), window((NOW - 0.1, *LATE))
    assert judge(told, unanswered, NOW, 1.5).why == (
        "1 not answered of 1 in 3 s: rejected: client 'arm' is not among the known clients"
    )
    assert judge(told, late, NOW, 1.5).why == "1 late of 1 in 3 s"


def test_what_is_long_ago_is_forgiven() -> None:
    found = window(*((NOW - 4.0, *LATE) for _ in range(10)), (NOW - 0.1, *IN_TIME))
    assert judge(client(), found, NOW, 1.5).state == "active"


@pytest.mark.parametrize(
    ("told", "last_answer", "state", "why"),
    [
        ({"received": 51}, NOW - 4.0, "starving", "no answer for 4.0 s"),
        ({"received": 51}, NOW - 2.9, "active", ""),
        ({}, NOW - 4.0, "active", ""),  # it waits for nothing
        ({"received": 51, "rate_hz": 0.2}, NOW - 9.0, "active", ""),  # it asks that seldom
        ({"overdue": True, "silence_s": 0.4}, NOW, "overdue", "nothing for 400 ms, usually one"),
        ({"connected": False, "silence_s": 130.0}, NOW, "gone", "silent for 2 min"),
        (
            {"ok": 2, "received": 2, "deadline_hits": 0},
            math.nan,
            "visitor",
            "",
        ),
    ],
)
def test_the_other_states(told: dict[str, Any], last_answer: float, state: str, why: str) -> None:
    found = ClientWindow(NOW - 100)
    found.answered_at = last_answer
    verdict = judge(client(**told), found, NOW, 1.5)
    assert verdict.state == state
    assert verdict.why.startswith(why) and bool(verdict.why) == bool(why)


def test_figures_of_a_client_are_those_of_its_newest_answers() -> None:
    found = window(
        *((NOW, 9.0, -1.0) for _ in range(ANSWERS)),
        *((NOW, each / 1000, 1.0) for each in range(1, ANSWERS + 1)),
    )
    p50, p95 = found.quantiles()
    assert p50 == pytest.approx(0.033) and p95 == pytest.approx(0.061)
    assert found.on_time() == 1.0
    found.add(NOW, math.nan, -1.0)
    assert found.on_time() == pytest.approx(1 - 1 / ANSWERS)
    assert found.quantiles()[0] == pytest.approx(0.033)  # what was not answered took no time
    assert all(math.isnan(each) for each in (*window().quantiles(), window().on_time()))


def test_the_runway_of_each_half_second_is_its_least_and_gaps_are_gaps() -> None:
    found = window((NOW, 0.1, 0.5), (NOW + 0.1, 0.1, 0.2), (NOW + 0.2, 0.1, 0.9))
    found.add(NOW + 2 * BIN_S, 0.1, -0.3)
    first, gap, last = found.history(NOW + 2 * BIN_S)
    assert (first, last) == (0.2, -0.3) and math.isnan(gap)
    assert len(found.history(NOW + 1000.0)) == BINS
    found.add(NOW + 1000.0, 0.1, math.inf)  # without a deadline there is no runway
    assert all(math.isnan(each) for each in found.history(NOW + 1000.0))


def test_of_a_batch_those_that_failed_are_no_answers_and_superseded_ones_do_not_count() -> None:
    good, bad, old = request("good"), request("bad"), request("old")
    batch = Batch("m", [good, bad], NOW - 0.5)
    news = Events(
        [Served(NOW - 0.1, batch, 0.4, 2, [False, True])],
        [Ended(NOW, bad, Status.ERROR), Ended(NOW, old, Status.SUPERSEDED)],
    )
    windows = Windows()
    windows.add(news, NOW)
    assert set(windows.clients) == {"good", "bad"}
    assert windows.clients["good"].judged(NOW) == (1, 1, 0)
    assert windows.clients["bad"].judged(NOW) == (1, 0, 1)
    windows.keep({"good"}, set())
    assert set(windows.clients) == {"good"} and not windows.models


def test_calls_are_counted_by_size_with_their_median() -> None:
    found = ModelWindow()
    for size, seconds in ((2, 0.3), (1, 0.1), (2, 0.1), (2, 0.2)):
        found.add(Served(NOW, Batch("m", [request()] * size, NOW), seconds, size, None))
    assert found.sizes() == [(1, 1, 0.1), (2, 3, 0.2)]


def test_who_looks_gets_what_came_since_the_last_look_and_no_more_than_is_kept() -> None:
    recent, seen = Recent(size=3), Cursor()
    batches = [Batch("m", [], float(number)) for number in range(5)]
    for batch in batches[:2]:
        recent.served(Served(NOW, batch, 0.1, 1, None))
    assert [served.batch for served in recent.since(seen).served] == batches[:2]
    assert recent.since(seen) == Events()
    for batch in batches:
        recent.served(Served(NOW, batch, 0.1, 1, None))
    recent.ended(NOW, request(), Status.EXPIRED)
    news = recent.since(seen)
    assert [served.batch for served in news.served] == batches[2:]
    assert [ended.status for ended in news.ended] == [Status.EXPIRED]
    assert len(recent.since(Cursor()).served) == 3  # another one who looks
