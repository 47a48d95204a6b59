"""A dispatcher whose models come, go and change while the server runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, Server
from inferential_core.config import InferentialConfig
from inferential_core.dispatch import Batch, Completion, Dispatcher, ModelInfo
from inferential_core.errors import ModelUnavailable
from inferential_core.status import Status

LONG_MS = 20_000


class Changing(Dispatcher):
    """Answers at once on a thread, unless told to hold."""

    def __init__(self, *names: str) -> None:
        self.infos = {name: ModelInfo(name, version="1") for name in names}
        self.version = ""
        self.failing = False
        self.hold = False
        self.held: list[Batch] = []

    def start(self, on_done: Any) -> None:
        self.on_done = on_done

    def models(self) -> dict[str, ModelInfo]:
        return dict(self.infos)

    def submit(self, batch: Batch) -> None:
        self.held.append(batch)
        if not self.hold:
            self.release()

    def release(self) -> None:
        batches, self.held = self.held, []
        for batch in batches:
            threading.Thread(target=self.on_done, args=(self.completed(batch),)).start()

    def completed(self, batch: Batch) -> Completion:
        result: Any = {"actions": np.zeros(1, np.float32)}
        if self.failing:
            result = ModelUnavailable("nobody is there")
        return Completion(batch, [result] * len(batch.requests), 0.001, self.version)

    def change(self, *infos: ModelInfo) -> None:
        self.infos = {info.id: info for info in infos}
        assert self.on_change is not None
        self.on_change()

    def close(self) -> None: ...


@pytest.fixture
def dispatcher() -> Changing:
    return Changing("left", "right")


@pytest.fixture
def server(dispatcher: Changing) -> Iterator[Server]:
    config = InferentialConfig(health={"failures": 2, "window_s": 0.0, "open_s": 1000.0})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        yield server


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    with Connection(server.address, client_id="robot") as connection:
        yield connection


def ask(connection: Connection, model: str) -> Any:
    handle = connection.model(model, latency_budget_ms=LONG_MS)
    handle.observe(x=np.zeros(1, np.float32))
    return handle.get_reply(timeout_ms=LONG_MS)


def wait_until(condition: Any) -> None:
    end = time.monotonic() + LONG_MS / 1000
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def record(server: Server, model: str) -> dict[str, Any]:
    return next(each for each in server.status()["models"] if each["id"] == model)


def test_a_model_that_comes_is_served_and_one_that_went_is_unknown(
    server: Server, dispatcher: Changing, connection: Connection
) -> None:
    assert ask(connection, "front").status is Status.REJECTED
    dispatcher.change(ModelInfo("right"), ModelInfo("front"))
    wait_until(lambda: {each["id"] for each in server.status()["models"]} == {"right", "front"})
    assert ask(connection, "front").status is Status.OK
    reply = ask(connection, "left")
    assert reply.status is Status.REJECTED
    assert "model 'left' is unknown: " in reply.error and "there are front, right" in reply.error


def test_what_waits_for_a_model_that_went_ends_and_what_it_is_at_is_awaited(
    server: Server, dispatcher: Changing, connection: Connection
) -> None:
    dispatcher.hold = True
    handle = connection.model("left", latency_budget_ms=LONG_MS)
    for _ in range(2):
        handle.observe(x=np.zeros(1, np.float32))
    wait_until(lambda: record(server, "left")["queued"] == 1)
    dispatcher.change(ModelInfo("right"))
    wait_until(lambda: server.status()["rejected"] == 1)
    assert server.status()["in_flight"] == 1
    dispatcher.release()
    assert handle.get_reply(timeout_ms=LONG_MS).status is Status.OK
    assert "unknown" in handle.get_reply(timeout_ms=LONG_MS).error
    status = server.status()
    assert (status["received"], status["ok"], status["rejected"]) == (2, 1, 1)


def test_lanes_and_version_may_change_and_a_call_may_tell_its_own_version(
    server: Server, dispatcher: Changing, connection: Connection
) -> None:
    assert ask(connection, "left").model_version == "1"
    dispatcher.change(ModelInfo("left", lanes=3, max_batch=4, version="2"), ModelInfo("right"))
    wait_until(lambda: record(server, "left")["lanes"] == 3)
    assert record(server, "left")["max_batch"] == 4
    assert ask(connection, "left").model_version == "2"
    dispatcher.version = "3"
    assert ask(connection, "left").model_version == "3"


def test_the_circuit_closes_when_the_dispatcher_says_that_the_model_is_back(
    server: Server, dispatcher: Changing, connection: Connection
) -> None:
    dispatcher.failing = True
    dispatcher.change(ModelInfo("left", unavailable="its machine is off"))
    wait_until(lambda: "keeps failing" in ask(connection, "left").error)
    dispatcher.failing = False
    assert "keeps failing" in ask(connection, "left").error  # its pause is a thousand seconds
    dispatcher.change(ModelInfo("left"))
    wait_until(lambda: ask(connection, "left").status is Status.OK)
