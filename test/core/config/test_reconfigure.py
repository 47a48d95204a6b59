"""A server that gets another configuration while it serves: nothing is lost, what holds."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import (
    ConfigError,
    Connection,
    InferentialConfig,
    LocalDispatcher,
    Server,
    Status,
)
from inferential_core.cli import figures
from inferential_core.config import load_config

SOON_S = 20.0  # a bound, not a duration
SOON_MS = int(1000 * SOON_S)
LOOPBACK = "tcp://127.0.0.1:0"


def double(obs: dict[str, Any]) -> dict[str, Any]:
    return {"actions": 2 * obs["state"]}


def server_with(**sections: Any) -> Server:
    return Server(
        LOOPBACK,
        config=InferentialConfig(**sections),
        dispatcher=LocalDispatcher({"policy": double}),
    )


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def ask(server: Server, client: str, size: int = 1) -> Any:
    with Connection(server.address, client_id=client) as connection:
        model = connection.model("policy")
        model.observe(state=np.ones(size))
        return model.get_reply(SOON_MS)


# --- models that a configuration names ---


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"lease": {"models": {"polcy": 100}}}, "lease.models: model 'polcy'"),
        ({"clients": {"known": [{"id": "arm", "model": "polcy"}]}}, "clients.known.0.model:"),
        (
            {"doors": [{"kind": "openpi", "bind": "127.0.0.1:0", "models": {"pi0": "polcy"}}]},
            "door 'openpi', models.pi0: model 'polcy'",
        ),
    ],
)
def test_a_model_that_nobody_serves_is_warned_of_where_it_is_named(sections, told, caplog):
    with server_with(**sections):
        assert told in caplog.text
        assert "is not served: did you mean 'policy'?" in caplog.text


def test_a_change_that_names_a_model_which_nobody_serves_is_warned_of(caplog):
    with server_with() as server:
        assert "is not served" not in caplog.text
        server.reconfigure(InferentialConfig(lease={"models": {"policy": 50, "polcy": 100}}))
    assert "lease.models: model 'polcy' is not served: did you mean 'policy'?" in caplog.text
    assert caplog.text.count("is not served") == 1


# --- Server.reconfigure ---


def test_unknown_clients_are_rejected_once_that_is_configured_and_taken_in_again() -> None:
    with server_with() as server:
        assert ask(server, "stranger").status is Status.OK
        waits = server.reconfigure(
            InferentialConfig(clients={"accept_unknown": False, "known": [{"id": "arm"}]})
        )
        assert waits == []
        reply = ask(server, "stranger")
        assert reply.status is Status.REJECTED
        assert reply.error == "client 'stranger' is not among the known clients"
        assert ask(server, "arm").status is Status.OK
        assert server.status()["rejected"] == 1
        server.reconfigure(InferentialConfig())
        assert ask(server, "stranger").status is Status.OK


def test_limits_hold_from_the_next_observation_on() -> None:
    with server_with() as server:
        assert ask(server, "arm", 10_000).status is Status.OK
        assert server.reconfigure(InferentialConfig(limits={"max_message_bytes": 2000})) == []
        assert "limit 2000" in ask(server, "arm", 10_000).error
        larger = InferentialConfig(limits={"max_message_bytes": 2**30})
        # the socket goes on cutting off what is twice the limit it started with
        assert server.reconfigure(larger) == ["limits.max_message_bytes"]


def test_what_is_learned_of_clients_and_models_stays_and_is_learned_otherwise() -> None:
    with server_with() as server, Connection(server.address, client_id="arm") as arm:
        model = arm.model("policy")
        for _ in range(2):
            model.observe(state=np.ones(1))
            assert model.get_reply(SOON_MS).status is Status.OK
        before = server.status()
        server.reconfigure(
            InferentialConfig(
                response_tracking={"cadence_alpha": 0.9, "disconnect_timeout_s": 0.01},
                health={"failures": 1},
            )
        )
        after = server.status()
        assert after["received"] == before["received"] == 2
        assert after["clients"][0]["rate_hz"] == before["clients"][0]["rate_hz"]
        assert after["models"][0]["served"] == 2
        until(lambda: not server.status()["clients"][0]["connected"])


def test_metrics_are_switched_off_and_on_and_resized_with_what_is_in_them() -> None:
    with server_with() as server:

        def count() -> int:
            stats = server.metrics.get_stats("e2e_latency_ms", window_seconds=1000)
            return 0 if stats is None else stats.count

        ask(server, "arm")
        assert count() == 1
        server.reconfigure(InferentialConfig(metrics={"enabled": False}))
        ask(server, "arm")
        assert count() == 1
        server.reconfigure(InferentialConfig(metrics={"ring_buffer_size": 100}))
        ask(server, "arm")
        assert count() == 2


def test_what_needs_a_restart_is_named_and_goes_on_as_it_was_until_then() -> None:
    server = server_with()
    wanted = InferentialConfig(
        transport={"recv_hwm": 7},
        ray={"timeout_s": 5.0},
        scheduling={"max_batch_size": 3},
    )
    with server:
        assert server.reconfigure(wanted) == ["transport.recv_hwm", "ray.timeout_s"]
        assert server.config.transport.recv_hwm == 1000
        assert server.config.scheduling.max_batch_size == 3
        assert server.status()["config"]["needs_restart"] == [
            "transport.recv_hwm",
            "ray.timeout_s",
        ]
    with server:  # which reads the transport anew; Ray's settings are those of the process
        assert server.config.transport.recv_hwm == 7
        assert server.status()["config"]["needs_restart"] == ["ray.timeout_s"]
        assert server.reconfigure(InferentialConfig(transport={"recv_hwm": 7})) == []


def test_a_strategy_that_is_not_there_changes_nothing() -> None:
    with server_with(scheduling={"strategy": "round_robin"}) as server:
        wrong = InferentialConfig(
            scheduling={"strategy": "deadline_awear"}, clients={"accept_unknown": False}
        )
        with pytest.raises(ConfigError, match="did you mean 'deadline_aware'"):
            server.reconfigure(wrong)
        assert server.config.clients.accept_unknown
        assert server.status()["strategy"] == "round_robin"
        assert server.status()["config"]["generation"] == 1
        assert ask(server, "arm").status is Status.OK


def test_a_strategy_of_the_users_comes_with_its_module_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "patient_module.py").write_text(
        "from inferential_core.scheduler.base import register_scheduler\n"
        "from inferential_core.scheduler.round_robin import RoundRobin\n"
        "register_scheduler('patient')(type('Patient', (RoundRobin,), {}))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with server_with() as server:
        wanted = {"strategy": "patient"}
        with pytest.raises(ConfigError, match="'patient' is not registered"):
            server.reconfigure(InferentialConfig(scheduling=wanted))
        wanted["modules"] = ["patient_module"]
        server.reconfigure(InferentialConfig(scheduling=wanted))
        assert server.status()["strategy"] == "patient"
        assert ask(server, "arm").status is Status.OK


def test_what_waits_moves_to_the_new_scheduler() -> None:
    gate = threading.Event()

    def slow(obs: dict[str, Any]) -> dict[str, Any]:
        gate.wait(SOON_S)
        return double(obs)

    server = Server(LOOPBACK, dispatcher=LocalDispatcher({"policy": slow}))
    with server, Connection(server.address, client_id="arm") as connection:
        model = connection.model("policy")
        for number in range(12):
            model.observe(state=np.full(1, number))
        until(lambda: server.status()["received"] == 12)
        queued = server.status()["queued"]
        assert queued > 0
        server.reconfigure(
            InferentialConfig(scheduling={"strategy": "batch_optimized", "max_queue_size": 1})
        )
        assert server.status()["queued"] == queued  # a smaller queue costs nobody his place
        gate.set()
        replies = [model.get_reply(SOON_MS) for _ in range(12)]
        assert [reply.result["actions"][0] for reply in replies] == [2 * n for n in range(12)]


def test_a_server_that_does_not_run_takes_all_of_it_over_when_it_starts() -> None:
    server = server_with()
    server.reconfigure(
        InferentialConfig(transport={"recv_hwm": 7}, metrics={"ring_buffer_size": 100})
    )
    with server:
        assert server.config.transport.recv_hwm == 7
        assert server.status()["config"]["needs_restart"] == []
        assert server.address.startswith("tcp://127.0.0.1:")  # given apart, it goes on to win


# --- a file that is followed ---


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "server.yaml"
    path.write_text("scheduling: {strategy: round_robin}\n")
    return path


@pytest.fixture
def following(file: Path) -> Iterator[Server]:
    server = Server(
        LOOPBACK, config=load_config(file), dispatcher=LocalDispatcher({"policy": double})
    )
    server.follow(file)
    with server:
        yield server


@pytest.fixture
def hangup(following: Server) -> Iterator[Callable[[], None]]:
    """Sends SIGHUP to this process, whose handler is what commands and nodes install."""
    before = signal.signal(signal.SIGHUP, lambda *_: following.reload())
    yield lambda: os.kill(os.getpid(), signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)


class Load:
    """Clients that keep four observations each under way, and count what comes back."""

    def __init__(self, address: str, clients: int) -> None:
        self.sent = 0
        self.replies: list[Status] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(address, f"robot_{number}"))
            for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, address: str, client: str) -> None:
        with Connection(address, client_id=client) as connection:
            model = connection.model("policy", latency_budget_ms=100.0)
            under_way = 0
            while not self._stop.is_set() or under_way:
                while under_way < 4 and not self._stop.is_set():
                    model.observe(urgency=0.5, steps_remaining=3, state=np.ones(3))
                    under_way += 1
                    with self._lock:
                        self.sent += 1
                reply = model.get_reply(SOON_MS)
                under_way -= 1
                with self._lock:
                    self.replies.append(reply.status)


def test_a_hangup_under_load_loses_no_request(
    following: Server, file: Path, hangup: Callable[[], None]
) -> None:
    strategies = ["deadline_aware", "batch_optimized", "priority_tiered"] * 2
    load = Load(following.address, clients=4)
    try:
        for number, strategy in enumerate(strategies, start=1):
            goal = len(load.replies) + 20
            until(lambda goal=goal: len(load.replies) > goal)  # the load is on
            file.write_text(
                f"scheduling: {{strategy: {strategy}, max_batch_size: {number},"
                f" deadline_aware: {{cadence_weight: {number}}}}}\n"
            )
            hangup()
            until(lambda want=1 + number: following.status()["config"]["generation"] == want)
            told = following.status()
            assert told["strategy"] == strategy
            assert told["queued"] + told["in_flight"] <= 16
        assert following.config.scheduling.deadline_aware.cadence_weight == 6
    finally:
        load.end()
    assert len(load.replies) == load.sent
    assert set(load.replies) == {Status.OK}
    told = following.status()
    assert told["received"] == told["ok"] == load.sent
    assert told["queued"] == told["in_flight"] == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("scheduling: {max_batch_size: 0}", ":1: scheduling.max_batch_size: 0 is not a whole"),
        ("scheduling: [", "this is no YAML"),
        ("", "is empty; {} would be all the defaults"),
        ("clients: {accept_unknown: false}\nscheduling: {strategy: fifo}", "'fifo' is not regis"),
        ("clients: {accept_unknwon: false}", "did you mean 'accept_unknown'?"),
    ],
)
def test_a_broken_file_changes_nothing_and_says_why(
    following: Server,
    file: Path,
    hangup: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    text: str,
    why: str,
) -> None:
    before = following.config
    with caplog.at_level(logging.INFO):
        file.write_text(text)
        hangup()
        until(lambda: why in following.status()["config"]["refused"])
        until(lambda: "is not applied, and the settings stay as they are" in caplog.text)
        assert why in caplog.text
        assert following.config == before
        assert following.status()["config"]["generation"] == 1
        told = figures.settings(following.status())  # as `inferential status` has it
        assert told.startswith(f"{file}; not applied: ") and why in told
        assert ask(following, "arm").status is Status.OK
        file.write_text("scheduling: {strategy: round_robin}\n")
        until(lambda: not following.status()["config"]["refused"])


def test_a_file_that_an_editor_replaces_is_taken_over_without_a_signal(
    following: Server, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = file.with_suffix(".swp")
    other.write_text(
        "scheduling: {strategy: round_robin, max_batch_size: 3}\ntransport: {recv_hwm: 9}"
    )
    with caplog.at_level(logging.INFO):
        os.replace(other, file)
        until(lambda: following.config.scheduling.max_batch_size == 3)
        until(lambda: "these changes need a restart: transport.recv_hwm" in caplog.text)
    assert "scheduling.max_batch_size: 8 -> 3" in caplog.text
    told = following.status()["config"]
    assert told["file"] == str(file)
    assert abs(told["loaded_at"] - time.time()) < 60


def test_a_file_that_is_gone_for_a_moment_is_read_when_it_is_there_again(
    following: Server, file: Path
) -> None:
    file.unlink()
    until(lambda: "No such file" in following.status()["config"]["refused"])
    assert following.status()["strategy"] == "round_robin"
    file.write_text("scheduling: {strategy: priority_tiered}")
    until(lambda: following.status()["strategy"] == "priority_tiered")


def test_what_was_written_between_loading_and_starting_is_seen(file: Path) -> None:
    server = Server(
        LOOPBACK, config=load_config(file), dispatcher=LocalDispatcher({"policy": double})
    )
    server.follow(file)
    file.write_text("scheduling: {strategy: priority_tiered}")
    with server:
        until(lambda: server.status()["strategy"] == "priority_tiered")


def test_a_scheduler_chosen_by_hand_stays_until_something_in_the_file_changes(
    following: Server,
    file: Path,
    hangup: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    following.use_scheduler("deadline_aware", age_weight=3.0)
    with caplog.at_level(logging.INFO):
        file.write_text("# a comment changes nothing\nscheduling: {strategy: round_robin}\n")
        hangup()
        until(lambda: "agrees with the settings in effect" in caplog.text)
    assert following.status()["strategy"] == "deadline_aware"
    file.write_text("scheduling: {strategy: round_robin, max_batch_size: 3}\n")
    hangup()
    until(lambda: following.status()["strategy"] == "round_robin")
