"""Policies and schedulers of the user's that raise, are slow or hang: only they suffer."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from own_scheduler import OwnScheduler

from inferential_core import Connection, LocalDispatcher, Server, Status, register_policy
from inferential_core.clock import FakeClock
from inferential_core.config.schema import SchedulingConfig
from inferential_core.request import InferenceRequest
from inferential_core.scheduler.base import Scheduler, register_scheduler
from inferential_core.scheduler.batching import BatchScheduler
from inferential_core.scheduler.custom import CustomScheduler
from inferential_core.scheduler.scoring import Scoring
from inferential_core.scheduler.user_code import UserThread
from inferential_core.tracking.latency import LatencyModel

LONG_S = 20.0


def request(client: str = "robot", at: float = 0.0, **fields: object) -> InferenceRequest:
    return InferenceRequest(client, "policy", received_at=at, **fields)


def until(condition: Callable[[], Any]) -> Any:
    """What the condition returns once it is true; fails if it never is."""
    give_up = time.monotonic() + LONG_S
    while not (found := condition()):
        assert time.monotonic() < give_up
        time.sleep(0.001)
    return found


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging code waits for; opened at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


# --- a thread for it ---


def test_calls_run_one_after_another_on_a_thread_of_their_own() -> None:
    thread = UserThread("test")
    answers = [thread.begin(threading.get_ident) for _ in range(3)]
    assert all(answer.ready(LONG_S) for answer in answers)
    assert len({answer.get() for answer in answers} | {threading.get_ident()}) == 2
    thread.close()


def test_what_a_call_raises_is_raised_to_whoever_looks() -> None:
    thread = UserThread("test")
    answer = thread.begin(lambda: 1 // 0)
    assert answer.ready(LONG_S)
    with pytest.raises(ZeroDivisionError):
        answer.get()
    assert thread.begin(lambda: 7).ready(LONG_S)
    thread.close()


# --- policies ---


def test_a_policy_that_hangs_is_done_without_until_it_returns(
    gate: threading.Event, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scoring, "PAUSE_S", 0.0)
    hangs = [True]

    def policy(each: InferenceRequest) -> float:
        if hangs[0]:
            gate.wait(LONG_S)
        return each.urgency

    scoring = Scoring("hanging", policy)
    scoring.isolate()
    waiting = [request(urgency=0.5)]
    with caplog.at_level(logging.ERROR):
        assert scoring.scores(waiting) is None
        assert scoring.scores(waiting) is None  # at once: it is not even asked
    assert len(caplog.records) == 1
    hangs[0] = False
    gate.set()
    assert until(lambda: scoring.scores(waiting)) == [0.5]
    scoring.close()


def test_a_policy_that_was_too_slow_gets_a_pause(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scoring, "PAUSE_S", 1e6)
    calls = []

    def policy(each: InferenceRequest) -> float:
        calls.append(each)
        gate.wait(LONG_S)
        return 0.0

    scoring = Scoring("slow", policy)
    scoring.isolate()
    assert scoring.scores([request()]) is None
    gate.set()
    until(lambda: scoring._late is None or scoring._late.ready())
    assert scoring.scores([request()]) is None
    assert len(calls) == 1
    scoring.close()


def test_a_quick_policy_on_its_thread_gives_the_same_scores_as_a_direct_one() -> None:
    direct, aside = Scoring("a", lambda each: each.priority), Scoring("a", lambda e: e.priority)
    aside.isolate()
    waiting = [request(priority=index) for index in range(100)]
    assert until(lambda: aside.scores(waiting)) == direct.scores(waiting) == list(range(100))
    aside.close()


# --- schedulers of the published form ---


class Driven:
    """A user's scheduler on its thread, driven as the server drives it."""

    def __init__(self, user: Scheduler) -> None:
        self.clock = FakeClock()
        self.woken = threading.Event()
        self.made = CustomScheduler(user, SchedulingConfig(), self.clock)
        self.made.serve(self.woken.set)

    def pick(self, limit: int = 8) -> list[InferenceRequest]:
        return self.made.pick("policy", limit, self.clock.now(), LatencyModel())

    def next(self) -> list[InferenceRequest]:
        """The next batch, however often it has to be woken for it."""
        return until(self.pick)


def test_its_answer_wakes_the_server() -> None:
    driven = Driven(OwnScheduler())
    first = request()
    driven.made.submit(first)
    assert driven.pick() == []
    assert driven.woken.wait(LONG_S)
    assert driven.pick() == [first]
    driven.made.close()


def test_all_its_methods_are_called_by_one_other_thread() -> None:
    threads = set()

    class Noting(OwnScheduler):
        def submit(self, request: InferenceRequest) -> None:
            threads.add(threading.get_ident())
            super().submit(request)

        def next_batch(self) -> Any:
            threads.add(threading.get_ident())
            return super().next_batch()

        def tick(self) -> None:
            threads.add(threading.get_ident())

    driven = Driven(Noting())
    driven.made.submit(request())
    driven.made.tick()
    driven.next()
    assert len(threads) == 1 and threading.get_ident() not in threads
    driven.made.close()


def test_what_it_returns_beyond_a_batch_is_kept() -> None:
    driven = Driven(OwnScheduler())
    waiting = [request(f"r{index}") for index in range(20)]
    for each in waiting:
        driven.made.submit(each)
    served: list[InferenceRequest] = []
    while len(served) < 20:
        served += driven.pick(limit=3)
    assert served == waiting
    assert driven.made.status()["custom"] == {"queue_len": 0}
    driven.made.close()


@pytest.mark.parametrize("method", ["submit", "next_batch", "tick", "status"])
def test_while_it_hangs_requests_are_served_in_the_order_of_arrival(
    method: str,
    gate: threading.Event,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CustomScheduler, "PATIENCE_S", 0.05)
    user = OwnScheduler()
    calm = getattr(user, method)
    setattr(user, method, lambda *args: (gate.wait(LONG_S), calm(*args))[1])
    driven = Driven(user)
    driven.made.tick()
    driven.made.status()
    waiting = [request(f"r{index}", float(index)) for index in range(5)]
    for each in waiting:
        driven.made.submit(each)
    with caplog.at_level(logging.ERROR):
        assert driven.next() == waiting
    assert sum("not answered" in record.getMessage() for record in caplog.records) == 1
    gate.set()
    last = request("last", 6.0)
    driven.made.submit(last)
    assert driven.next() == [last]  # and those it returns late are not served again
    until(lambda: user.queue_len() == 0)
    assert driven.pick() == []
    driven.made.close()


def test_one_that_holds_back_is_asked_again_but_not_all_the_time() -> None:
    asked = []

    class Reluctant(OwnScheduler):
        def next_batch(self) -> Any:
            asked.append(self.queue)
            return super().next_batch() if len(asked) > 1 else []

    driven = Driven(Reluctant())
    driven.made.submit(request())
    driven.pick()
    until(lambda: driven.woken.is_set())
    for _ in range(50):
        assert driven.pick() == []
    assert len(asked) == 1
    assert driven.made.hold_until("policy") == pytest.approx(driven.made.TICK_S)
    driven.clock.advance(driven.made.TICK_S)
    assert len(driven.next()) == 1
    driven.made.close()


def test_one_that_invents_requests_without_end_keeps_only_its_own_thread_busy() -> None:
    class Inventor(OwnScheduler):
        def next_batch(self) -> Any:
            return [request("ghost")]

    driven = Driven(Inventor())
    driven.made.submit(request())
    for _ in range(2 * CustomScheduler.FRUITLESS):
        driven.woken.clear()
        assert driven.pick() == []
        driven.woken.wait(0.01)
    assert driven.made._silent_until > 0.0
    driven.made.close()


# --- schedulers that batch ---


@pytest.mark.parametrize("failure", [ValueError("broken"), SystemExit(2)])
def test_a_strategy_of_the_users_that_raises_serves_the_longest_waiting(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(BatchScheduler):
        def choose(self, waiting, limit, now, latency):  # type: ignore[no-untyped-def]
            raise failure

    made = Broken(SchedulingConfig())
    waiting = [request(f"r{index}", float(index)) for index in range(5)]
    for each in waiting:
        made.submit(each)
    with caplog.at_level(logging.ERROR):
        assert made.pick("policy", 3, 4.0, LatencyModel()) == waiting[:3]
        assert made.pick("policy", 3, 4.0, LatencyModel()) == waiting[3:]
    assert len(caplog.records) == 1


def test_a_strategy_of_the_users_that_hangs_serves_the_longest_waiting(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    class Hanging(BatchScheduler):
        def choose(self, waiting, limit, now, latency):  # type: ignore[no-untyped-def]
            gate.wait(LONG_S)
            return list(waiting[-limit:])

    made = Hanging(SchedulingConfig())
    made.serve(lambda: None)
    waiting = [request(f"r{index}", float(index)) for index in range(5)]
    for each in waiting:
        made.submit(each)
    with caplog.at_level(logging.ERROR):
        assert made.pick("policy", 1, 4.0, LatencyModel()) == waiting[:1]
        assert made.pick("policy", 1, 4.0, LatencyModel()) == waiting[1:2]
    assert len(caplog.records) == 1
    gate.set()
    assert made._chooser is not None and made._chooser._late is not None
    assert made._chooser._late.ready(LONG_S)
    assert made.pick("policy", 1, 4.0, LatencyModel()) == waiting[4:]
    made.close()


def test_what_a_strategy_of_the_users_invents_or_repeats_is_not_served() -> None:
    class Odd(BatchScheduler):
        def choose(self, waiting, limit, now, latency):  # type: ignore[no-untyped-def]
            return [request("ghost"), *waiting, *waiting]

    made = Odd(SchedulingConfig())
    waiting = [request("a"), request("b"), request("c")]
    for each in waiting:
        made.submit(each)
    assert made.pick("policy", 2, 0.0, LatencyModel()) == waiting[:2]
    assert made.pick("policy", 2, 0.0, LatencyModel()) == waiting[2:]


class Bare(BaseException):
    """Is no Exception, and has no text."""

    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize("failure", [ValueError("broken"), Bare()])
def test_each_method_of_a_strategy_of_the_users_may_raise(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise failure

    asked = "entered left answered hold_until headroom share_in_time reason explain serve_lone"
    made = type("Broken", (BatchScheduler,), dict.fromkeys(asked.split(), fails))(
        SchedulingConfig()
    )
    first = request()
    with caplog.at_level(logging.ERROR):
        made.submit(first)
        assert made.pick("policy", 1, 0.0, LatencyModel()) == [first]
        assert made.hold_until("policy") == math.inf
        assert made.answered(first, 0.0) == 0
        assert not made.serve_lone(first, 1, 0.0, LatencyModel())
        assert made.reason("policy") == made.explain("policy") == ""
        assert math.isnan(made.headroom("policy", 0.0, LatencyModel()))
        assert math.isnan(made.share_in_time("policy", 1, 0, 0.0, LatencyModel()))
    assert len(caplog.records) == 1 + len(asked.split())  # it has no `choose`, either


# --- in a server ---


def answers(server: Server, count: int = 20) -> None:
    with Connection(server.address) as connection:
        model = connection.model("policy")
        for index in range(count):
            model.observe(x=np.float32([index]))
        for index in range(count):
            result = model.get_result(1000 * LONG_S)
            assert result is not None and result["actions"][0] == index


def serve(**scheduling: object) -> Server:
    dispatcher = LocalDispatcher({"policy": lambda obs: {"actions": obs["x"]}})
    server = Server("tcp://127.0.0.1:0", dispatcher=dispatcher)
    server.use_scheduler(**scheduling)  # type: ignore[arg-type]
    return server


@pytest.mark.parametrize("failure", ["raise", "hang"])
def test_a_server_goes_on_with_a_policy_that_fails(failure: str, gate: threading.Event) -> None:
    @register_policy("test_user_code_policy")
    def score(each: InferenceRequest) -> float:
        if failure == "raise":
            raise ValueError("broken")
        gate.wait(LONG_S)
        return 0.0

    with serve(strategy="deadline_aware", policy="test_user_code_policy") as server:
        answers(server)
        status = server.status()
        assert status["ok"] == 20
        gate.set()


@pytest.mark.parametrize("failure", ["raise", "hang"])
def test_a_server_goes_on_with_a_scheduler_that_fails(
    failure: str, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CustomScheduler, "PATIENCE_S", 0.02)

    @register_scheduler("test_user_code_scheduler")
    class Failing(OwnScheduler):
        def next_batch(self) -> Any:
            if failure == "raise":
                raise ValueError("broken")
            gate.wait(LONG_S)
            return super().next_batch()

    with serve(strategy="test_user_code_scheduler", request_ttl_ms=1000) as server:
        if failure == "hang":
            answers(server)
        else:  # it never says whom to serve: its own requests expire, and others do not suffer
            with Connection(server.address) as connection:
                model = connection.model("policy")
                model.observe(x=np.float32([0]))
                assert model.get_result(1000 * LONG_S) is None
        server.use_scheduler("round_robin")
        answers(server)
        gate.set()


def test_switching_while_traffic_flows_loses_nothing() -> None:
    @register_scheduler("test_user_code_fifo")
    class Plain(OwnScheduler):
        pass

    names = ["deadline_aware", "test_user_code_fifo", "priority_tiered", "batch_optimized"]
    with serve(strategy="round_robin") as server:
        stop = threading.Event()

        def switch() -> None:
            turn = 0
            while not stop.is_set():
                server.use_scheduler(names[turn % len(names)])
                turn += 1

        switching = threading.Thread(target=switch)
        switching.start()
        try:
            for _ in range(5):
                answers(server, 30)
        finally:
            stop.set()
            switching.join()
        assert server.status()["ok"] == 150
    for thread in threading.enumerate():  # those of the schedulers that were replaced
        if thread.name.startswith(("scheduler ", "policy ")):
            thread.join(LONG_S)
            assert not thread.is_alive()


class Ends(OwnScheduler):
    """Raises what is no Exception, and cannot be printed."""

    def next_batch(self) -> list[InferenceRequest]:
        raise Bare

    def __repr__(self) -> str:
        raise Bare


def test_a_server_outlives_a_scheduler_that_raises_no_exception_and_cannot_be_printed() -> None:
    register_scheduler("ends")(Ends)
    with serve(strategy="ends") as server, Connection(server.address) as robot:
        model = robot.model("policy", latency_budget_ms=200)
        model.observe(x=np.float32([1]))
        reply = model.get_reply(1000 * LONG_S)
        assert reply is not None and reply.status is Status.EXPIRED
        assert server.failure is None


def test_a_server_outlives_a_policy_that_raises_no_exception() -> None:
    @register_policy("bare")
    def policy(each: InferenceRequest) -> float:
        raise Bare

    with serve(strategy="deadline_aware", policy="bare") as server:
        answers(server)
