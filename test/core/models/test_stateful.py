"""Recurrent models: a client stays where its state is, and an episode begins with a clean one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server
from inferential_core.request import InferenceRequest
from inferential_core.tracking.placement import Placement

LONG_MS = 20_000

# An LSTM in numpy whose parameters are fixed by a seed, so that tests can compute what it says.
MODULE = """
import os
import threading

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Lstm:
    stateful = True
    SIZE = 4

    def __init__(self):
        random = np.random.default_rng(7)
        self.weights = random.standard_normal((4 * self.SIZE, 2 + self.SIZE))
        self.states = {}  # client -> (h, c)
        self.forgotten = []

    def infer_batch(self, observations, contexts):
        clients = [context.client_id for context in contexts]
        assert len(set(clients)) == len(clients), "a client twice in a batch"
        zero = (np.zeros(self.SIZE), np.zeros(self.SIZE))
        h, c = map(np.stack, zip(*(self.states.get(client, zero) for client in clients)))
        x = np.stack([obs["x"] for obs in observations])
        gates = np.concatenate([x, h], axis=1) @ self.weights.T
        forget, take, give, new = np.split(gates, 4, axis=1)
        c = sigmoid(forget) * c + sigmoid(take) * np.tanh(new)
        h = sigmoid(give) * np.tanh(c)
        self.states.update(zip(clients, zip(h, c)))
        lane = f"{os.getpid()} {threading.current_thread().name}"
        return [{"actions": row, "lane": lane, "first": context.first_of_episode,
                 "known": ",".join(sorted(self.states))}
                for row, context in zip(h, contexts)]

    def reset(self, client_id):
        self.states.pop(client_id, None)
"""


@pytest.fixture
def lstm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "lstm_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "lstm_of_test:Lstm"


@pytest.fixture(params=["threads", "processes"])
def server(request: pytest.FixtureRequest, lstm: str) -> Iterator[Server]:
    dispatcher = LocalDispatcher({"lstm": lstm}, lanes=2, process=request.param == "processes")
    config = InferentialConfig(response_tracking={"disconnect_timeout_s": 1.0})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher, config=config) as serving:
        yield serving


def alone(inputs: Any) -> list[np.ndarray]:
    """What the model says to a sequence when nobody else is there."""
    scope: dict[str, Any] = {}
    exec(MODULE, scope)
    model = scope["Lstm"]()

    class Context:
        client_id = "alone"
        first_of_episode = False

    return [model.infer_batch([{"x": x}], [Context()])[0]["actions"] for x in inputs]


def test_every_client_gets_what_it_would_get_alone_and_both_lanes_work(server: Server) -> None:
    inputs = np.random.default_rng(0).standard_normal((6, 20, 2))
    lanes: dict[int, set[str]] = {}
    failures: list[BaseException] = []

    def play(index: int) -> None:
        try:
            with Connection(server.address, client_id=index) as connection:
                model = connection.model("lstm", latency_budget_ms=LONG_MS)
                for at in range(0, 20, 4):  # several in flight: their order matters
                    for x in inputs[index][at : at + 4]:
                        model.observe(x=x)
                    for expected in alone(inputs[index])[at : at + 4]:
                        result = model.get_result(LONG_MS)
                        np.testing.assert_allclose(result["actions"], expected, atol=1e-9)
                        lanes.setdefault(index, set()).add(result["lane"])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=play, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert all(len(where) == 1 for where in lanes.values())
    assert len(set.union(*lanes.values())) == 2


def test_a_new_episode_begins_with_a_clean_state(server: Server) -> None:
    inputs = np.random.default_rng(1).standard_normal((5, 2))
    with Connection(server.address, client_id="a") as connection:
        model = connection.model("lstm", latency_budget_ms=LONG_MS)
        for episode in range(3):
            for index, expected in enumerate(alone(inputs)):
                model.observe(x=inputs[index])
                result = model.get_result(LONG_MS)
                assert bool(result["first"]) == (index == 0), episode
                np.testing.assert_allclose(result["actions"], expected, atol=1e-9)
            model.reset()


def test_a_robot_that_rebooted_begins_with_a_clean_state(server: Server) -> None:
    for _ in range(2):
        with Connection(server.address, client_id="a") as connection:
            model = connection.model("lstm", latency_budget_ms=LONG_MS)
            for first in (True, False):
                model.observe(x=np.ones(2))
                assert bool(model.get_result(LONG_MS)["first"]) == first


def test_a_robot_that_rebooted_begins_an_episode_for_any_model() -> None:
    def model(obs: Any, context: Any) -> Any:
        return {"first": context.first_of_episode}

    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": model})) as serving:
        for _ in range(2):
            with Connection(serving.address, client_id="a") as connection:
                policy = connection.model("policy")
                for first in (True, False):
                    policy.observe(x=np.ones(2))
                    assert bool(policy.get_result(LONG_MS)["first"]) == first


def test_the_states_of_clients_that_left_are_forgotten(server: Server) -> None:
    connections = [Connection(server.address, client_id=index) for index in range(2)]
    for connection in connections:
        model = connection.model("lstm", latency_budget_ms=LONG_MS)
        model.observe(x=np.ones(2))
        assert model.get_result(LONG_MS) is not None
        connection.close()
    with Connection(server.address, client_id="stays") as connection:
        model = connection.model("lstm", latency_budget_ms=LONG_MS)
        known = "?"
        while known != "stays":  # until both have been silent for a second
            model.observe(x=np.ones(2))
            known = model.get_result(LONG_MS)["known"]


# --- who goes where ---


def request(client: str, received_at: float = 1.0, epoch: int = 0) -> InferenceRequest:
    return InferenceRequest(client, "lstm", received_at=received_at, epoch=epoch)


def test_clients_spread_over_the_lanes_and_stay() -> None:
    placement = Placement(3)
    lanes = {name: placement.lane_of(name) for name in "abcdef"}
    assert sorted(lanes.values()) == [0, 0, 1, 1, 2, 2]
    assert {name: placement.lane_of(name) for name in "fedcba"} == lanes


def test_a_lane_is_given_its_own_clients_each_once_and_oldest_first() -> None:
    placement = Placement(2)
    waiting = [request(name, at) for at, name in enumerate("abacbac")]
    for lane, names in ((0, "ac"), (1, "b")):
        chosen = placement.eligible(lane)(waiting)
        assert [each.client_id for each in chosen] == list(names)
        for each in chosen:
            assert each is min(
                (other for other in waiting if other.client_id == each.client_id),
                key=lambda other: other.received_at,
            )


def test_an_older_one_goes_first_though_a_newer_one_took_over_its_waiting_time() -> None:
    older, newer = request("a", 1.0), request("a", 2.0)
    newer.waiting_since = 0.5
    assert Placement(1).eligible(0)([newer, older]) == [older]


def test_an_episode_begins_with_the_first_observation_that_is_served() -> None:
    placement = Placement(1)
    lost, served, next_one = (request("a", at, epoch=4) for at in range(3))
    assert lost is not served  # it expired in the queue
    for each, first in ((served, True), (next_one, False), (request("a", 9, epoch=5), True)):
        placement.begin(0, [each])
        assert each.first_of_episode is first
        placement.end(0, lost=False)


def test_a_lane_whose_model_was_lost_begins_all_episodes_anew() -> None:
    placement = Placement(2)
    requests = {name: request(name) for name in "ab"}
    for name, lane in (("a", 0), ("b", 1)):
        assert placement.lane_of(name) == lane
        placement.begin(lane, [requests[name]])
    assert placement.free_lanes() == []
    placement.end(0, lost=True)
    placement.end(1, lost=False)
    again = {name: request(name, 2.0) for name in "ab"}
    placement.begin(0, [again["a"]])
    placement.begin(1, [again["b"]])
    assert (again["a"].first_of_episode, again["b"].first_of_episode) == (True, False)


def test_who_left_makes_room_and_begins_anew_on_return() -> None:
    placement = Placement(2)
    for name in "abcd":
        placement.begin(placement.lane_of(name), [request(name)])
    assert placement.forget("b") == 1
    assert placement.forget("b") is None
    assert sorted(placement.clients()) == ["a", "c", "d"]
    assert placement.lane_of("e") == 1
    back = request("b", 2.0)
    placement.begin(placement.lane_of("b"), [back])
    assert back.first_of_episode


def test_with_fewer_lanes_those_without_one_are_placed_anew() -> None:
    placement = Placement(3)
    lanes = {name: placement.lane_of(name) for name in "abc"}
    placement.resized(2)
    assert {name: placement.lane_of(name) for name in "ab"} == {"a": 0, "b": 1}
    assert lanes["c"] == 2 and placement.lane_of("c") in (0, 1)
    placement.resized(4)
    assert placement.free_lanes() == [0, 1, 2, 3]
    assert {placement.lane_of(name) for name in "xy"} == {2, 3}
