"""How well models do, and the circuit breaker: when it opens, who is told what, how it closes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from inferential_core import ConfigError, InferentialConfig, Status
from inferential_core.clock import FakeClock
from inferential_core.config import load_config
from inferential_core.dispatch.base import Batch, Completion, Dispatcher, ModelInfo
from inferential_core.errors import ModelUnavailable, RejectedError
from inferential_core.metrics import MetricsStore
from inferential_core.metrics.recorder import Recorder
from inferential_core.pipeline.pipeline import Pipeline
from inferential_core.scheduler.base import create_scheduler
from inferential_core.server.status_report import report
from inferential_core.tracking.models import BreakerRule, Health
from inferential_core.transport.memory import MemoryTransport
from inferential_core.wire.messages import (
    ObservationHeader,
    encode_observation,
    parse_response,
    status_of,
)

RULE = BreakerRule(failures=3, window_s=0.5, open_s=1.0, most_open_s=3.0)


class Held(Dispatcher):
    """Holds batches until the test says what comes of them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def start(self, on_done: Any) -> None:
        pass

    def models(self) -> dict[str, ModelInfo]:
        return {"policy": ModelInfo("policy", max_batch=8, lanes=2, replicas=2)}

    def submit(self, batch: Batch) -> None:
        self.batches.append(batch)

    def close(self) -> None:
        pass


class House:
    """A pipeline whose clock, clients and model obey the test."""

    def __init__(self, **sections: Any) -> None:
        sections.setdefault("health", RULE.__dict__)
        self.clock = FakeClock(100.0)
        self.transport = MemoryTransport()
        self.model = Held()
        self.counted: list[str] = []
        config = InferentialConfig(**sections)
        scheduler = create_scheduler(config.scheduling)
        scheduler.clock = self.clock
        store = MetricsStore(clock=self.clock)
        store.listen(lambda name, value, labels: self.counted.append(name))
        self.pipeline = Pipeline(
            config, self.transport, scheduler, self.model, self.clock, Recorder(store)
        )
        self.peers: dict[str, Any] = {}
        self.requests = 0

    def observe(self, *clients: str) -> None:
        for client in clients:
            if client not in self.peers:
                self.peers[client] = self.transport.peer(client.encode())
            self.requests += 1
            header = ObservationHeader(
                client_id=client,
                model_id="policy",
                request_id=self.requests,
                latency_budget_ms=60_000.0,
            )
            self.peers[client].send(encode_observation(header, {}))
        while (message := self.transport.receive()) is not None:
            self.pipeline.on_message(*message)
        self.turn()

    def turn(self) -> None:
        self.pipeline.form_batches()
        self.pipeline.dispatch()
        queued = len(self.pipeline.scheduler.pending)
        assert self.pipeline.ledger.balance(queued, self.pipeline.in_flight()) == 0

    def end(self, *results: Any, at: int = 0) -> None:
        """The model is done with a batch: results, or the one that all of it gets."""
        batch = self.model.batches.pop(at)
        given = list(results) * (len(batch.requests) if len(results) == 1 else 1)
        self.pipeline.on_completion(Completion(batch, given, 0.02))
        self.turn()

    def fail(self, *clients: str, error: Exception | None = None) -> None:
        for client in clients:
            self.observe(client)
            self.end(error or ValueError("no"))

    def told(self, client: str) -> tuple[Status, str]:
        """The newest reply."""
        message = None
        while (frames := self.peers[client].receive()) is not None:
            message = parse_response(frames)
        assert message is not None
        return status_of(message), message.error

    def state(self) -> dict[str, Any]:
        (model,) = report(self.pipeline, self.clock.now())["models"]
        return model

    def open(self) -> None:
        """Let the circuit open."""
        self.fail("a")
        self.clock.advance(0.6)
        self.fail("b", "a")
        assert self.state()["circuit"] == "open"


OK = {"actions": np.zeros(1)}


def test_what_a_model_does_is_told() -> None:
    house = House()
    assert house.state()["replicas"] == 2
    assert math.isnan(house.state()["latency_s"])
    assert house.state()["error_rate"] == 0.0
    house.observe("a")
    house.end(OK)
    house.fail("a")
    state = house.state()
    assert state["latency_s"] == pytest.approx(0.02)
    assert 0.0 < state["error_rate"] < 0.1
    assert "ValueError: no" in state["last_error"]
    assert (state["circuit"], state["served"], state["failed"]) == ("closed", 1, 1)
    house.clock.advance(1.0)
    house.pipeline.on_timer()
    assert {"model_error_rate", "model_latency_ms"} <= set(house.counted)


def test_the_error_rate_follows_what_happens() -> None:
    health = Health()
    for _ in range(100):
        health.failed("a", ValueError(), "", 0.0)
    assert health.error_rate > 0.99
    health.succeeded(100, 0.01)
    assert health.error_rate < 0.01


def test_while_a_model_keeps_failing_observations_are_answered_at_once_with_the_reason() -> None:
    house = House()
    house.open()
    assert "circuit_opened" in house.counted
    house.observe("c")
    status, error = house.told("c")
    assert status is Status.ERROR
    assert "keeps failing, next try in 1.0 s: ValueError: no" in error
    assert house.model.batches == []
    assert "requests_refused" in house.counted


def test_those_that_wait_when_it_opens_are_told_as_well() -> None:
    house = House()
    house.fail("a")
    house.clock.advance(0.6)
    house.observe("a")
    house.observe("b")  # both lanes are busy
    house.observe("c")
    house.end(ValueError("no"))
    house.observe("d")
    assert house.model.batches[-1].requests[0].client_id == "c"
    house.end(ValueError("no"))
    assert house.state()["circuit"] == "open"
    assert house.told("d")[0] is Status.ERROR
    house.end(ValueError("no"))  # begun before: no second opening, no longer pause
    assert house.counted.count("circuit_opened") == 1


def test_after_the_pause_one_batch_tries_it_and_a_success_closes_the_circuit() -> None:
    house = House()
    house.open()
    house.clock.advance(1.0)
    assert house.state()["circuit"] == "half_open"
    house.observe("a")
    (batch,) = house.model.batches
    assert [request.client_id for request in batch.requests] == ["a"]
    house.observe("b")  # not into the unknown as well
    assert len(house.model.batches) == 1
    assert "it is being tried: ValueError: no" in house.told("b")[1]
    house.end(OK)
    assert house.told("a")[0] is Status.OK
    assert house.state()["circuit"] == "closed"
    assert "circuit_closed" in house.counted
    house.observe("a", "b")
    assert len(house.model.batches) == 1
    house.end(OK)
    assert house.told("b")[0] is Status.OK


def test_each_try_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    house = House()
    house.open()
    for pause_s in (1.0, 2.0, 3.0, 3.0):
        house.clock.advance(pause_s - 0.01)
        assert house.state()["circuit"] == "open"
        house.clock.advance(0.01)
        house.fail("a")
        assert house.told("a")[0] is Status.ERROR
    house.clock.advance(3.0)
    house.observe("a")
    house.end(OK)
    house.open()
    house.clock.advance(1.0)
    assert house.state()["circuit"] == "half_open"  # and the next time it begins anew


def test_a_try_whose_observation_was_to_blame_proves_nothing() -> None:
    house = House()
    house.open()
    house.clock.advance(1.0)
    house.fail("a", error=RejectedError("'x' is missing"))
    assert house.told("a")[0] is Status.REJECTED
    assert house.state()["circuit"] == "half_open"
    house.observe("b")
    house.end(OK)
    assert house.state()["circuit"] == "closed"


def test_failures_with_successes_between_open_nothing() -> None:
    house = House()
    for _ in range(20):
        house.clock.advance(0.3)
        house.fail("a", "b")
        house.observe("a", "b")
        house.end(OK)
    assert house.state()["circuit"] == "closed"


def test_a_batch_that_partly_succeeds_is_a_success() -> None:
    house = House()
    for _ in range(10):
        house.clock.advance(0.3)
        house.observe("x")
        house.observe("y")  # both lanes are busy: the next ones share a batch
        house.observe("a", "b")
        house.end(OK)
        house.end(ValueError("no"), OK, at=-1)
        house.end(OK)
    assert house.state()["circuit"] == "closed"


def test_one_client_alone_does_not_cut_off_the_others() -> None:
    house = House()
    for _ in range(20):
        house.clock.advance(0.3)
        house.fail("a")
    assert house.state()["circuit"] == "closed"


def test_a_model_that_cannot_be_asked_is_no_clients_fault() -> None:
    house = House()
    for _ in range(3):
        house.clock.advance(0.3)
        house.fail("a", error=ModelUnavailable("its process is down"))
    assert house.state()["circuit"] == "open"


def test_a_burst_of_failures_opens_nothing_before_the_window_is_over() -> None:
    house = House()
    house.fail(*"abcabcabcabc", error=ModelUnavailable("replica lost"))
    assert house.state()["circuit"] == "closed"


def test_retries_end_with_the_circuit_open() -> None:
    house = House(scheduling={"max_retries": 100})
    house.observe("a", "b")
    for _ in range(3):
        house.clock.advance(0.3)
        while house.model.batches:
            batch = house.model.batches.pop()
            error = ModelUnavailable("down")
            failed = Completion(batch, [error] * len(batch.requests), 0.0)
            house.pipeline.on_completion(failed)
        house.turn()
    assert house.state()["circuit"] == "open"
    assert house.told("a")[0] is house.told("b")[0] is Status.ERROR
    assert house.pipeline.in_flight() == 0


def test_what_another_lane_fails_on_once_it_is_open_is_not_tried_again() -> None:
    house = House(scheduling={"max_retries": 1})
    house.observe("slow")
    house.observe("a")
    house.end(ValueError("no"), at=1)  # and again
    house.clock.advance(0.6)
    house.end(ValueError("no"), at=1)
    house.observe("b")
    house.end(ValueError("no"), at=1)
    assert house.state()["circuit"] == "open"
    house.end(ValueError("no"))
    assert house.model.batches == []
    assert house.told("slow")[0] is Status.ERROR


def test_the_breaker_may_be_switched_off() -> None:
    house = House(health={"failures": 0})
    for _ in range(50):
        house.clock.advance(0.3)
        house.fail("a", "b", error=ModelUnavailable("down"))
    assert house.state()["circuit"] == "closed"


def test_its_settings_are_part_of_the_configuration(tmp_path: Any) -> None:
    path = tmp_path / "server.yaml"
    path.write_text("health: {failures: 2, open_s: 0.1}\n")
    assert BreakerRule.of(load_config(path).health) == BreakerRule(failures=2, open_s=0.1)
    path.write_text("health: {failure: 2}\n")
    with pytest.raises(ConfigError, match="health.failure: unknown key: did you mean 'failures'"):
        load_config(path)
