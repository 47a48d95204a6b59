"""A client that may ask several servers: the first that lives, and another one when it has to."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from two_servers import LONG_S, ServerFork, ServerProcess, ask, connection, until, which

from inferential_core import AsyncConnection, Connection, Status, UsageError
from inferential_core.client import server_group, standby

PERIOD_MS = 10.0  # of an action; so 40 steps remaining are 0.4 s

Start = Callable[..., tuple[ServerProcess, ServerProcess]]


@pytest.fixture(scope="module")
def fork(lasting_processes: set[int]) -> Iterator[ServerFork]:
    fork = ServerFork()
    lasting_processes.add(fork.process.pid)
    yield fork
    fork.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is well need not be so for long before it is asked again."""
    monkeypatch.setattr(standby, "_PROBATION_S", 0.2)
    monkeypatch.setattr(server_group, "_PING_S", 0.1)


@pytest.fixture
def start(fork: ServerFork) -> Iterator[Start]:
    """Starts two servers whose model takes so many seconds."""
    servers = ServerProcess(fork, 1), ServerProcess(fork, 2)

    def started(seconds: float = 0.0) -> tuple[ServerProcess, ServerProcess]:
        for server in servers:
            server.seconds = seconds
            server.start()
        return servers

    yield started
    for server in servers:
        server.end()


def test_the_first_server_is_asked_while_it_lives(start: Start) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy")
        assert [which(ask(model)) for _ in range(5)] == [1] * 5
        assert (robot.server, robot.moves) == (first.address, 0)


def test_a_killed_server_costs_the_observation_at_hand_and_no_pause(start: Start) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model)) == 1
        first.end(signal.SIGKILL)
        replies = [ask(model, 40) for _ in range(4)]
        assert [which(reply) for reply in replies][1:] == [2, 2, 2]
        assert robot.connected and robot.moves == 1


def test_what_the_killed_server_was_asked_ends_lost(
    start: Start,
) -> None:
    first, second = start(seconds=5.0)
    with connection(first, second) as robot:
        model = robot.model("policy")
        model.observe(x=np.zeros(3, np.float32))
        assert model.get_reply(timeout_ms=100).status is Status.WAITING  # it is under way
        first.end(signal.SIGKILL)
        reply = model.get_reply(timeout_ms=1000 * LONG_S)
        assert reply is not None and reply.status is Status.LOST
        until(lambda: (model.get_reply(0), robot.server == second.address)[1], "it moves")


def test_a_server_that_falls_silent_is_left_while_the_robot_has_actions(start: Start) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model, 40)) == 1
        first.send(signal.SIGSTOP)
        lost = ask(model, 40)
        assert lost.status is Status.LOST
        assert (
            lost.error
            == f"this client goes from {first.address} to {second.address}: it is silent"
        )
        assert which(ask(model, 40)) == 2


def test_a_server_with_a_slow_model_is_not_silent(start: Start) -> None:
    first, second = start(seconds=1.5)
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model, 10)) == 1
        assert robot.moves == 0


def test_the_client_goes_back_once_the_first_server_is_well_for_a_while(
    start: Start, soon: None
) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model)) == 1
        first.end(signal.SIGKILL)
        until(lambda: which(ask(model, 40)) == 2, "the second one answers")
        first.start()
        back = time.monotonic()
        statuses = []

        def returned() -> bool:
            reply = ask(model, 40)
            statuses.append(reply.status)
            return which(reply) == 1

        until(returned, "the first one answers again")
        assert time.monotonic() - back > 0.2  # not at once
        assert set(statuses) == {Status.OK}  # and it costs nothing
        assert (robot.server, robot.moves) == (first.address, 2)


def test_a_model_that_the_client_asks_no_more_does_not_keep_it_away(
    start: Start, soon: None
) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model, other = robot.model("policy", control_period_ms=PERIOD_MS), robot.model("nowhere")
        preferred = robot._socket._active
        assert which(ask(model)) == 1
        first.end(signal.SIGKILL)
        until(lambda: which(ask(model, 40)) == 2, "the second one answers")
        first.start()
        until(lambda: ask(model, 40) and preferred._ill == {"nowhere"}, "it is asked for both")
        del other
        until(lambda: which(ask(model, 40)) == 1, "the first one answers again")


def test_only_a_server_that_was_gone_back_to_in_vain_has_to_be_well_for_longer(
    start: Start, soon: None
) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        preferred = robot._socket._active
        assert which(ask(model)) == 1
        waits = []
        for _ in range(2):
            first.end(signal.SIGKILL)
            until(lambda: which(ask(model, 40)) == 2, "the second one answers")
            waits.append(preferred._probation_s)
            first.start()
            until(lambda: which(ask(model, 40)) == 1, "the first one answers again")
        assert waits == [0.2, 0.4]


def test_a_server_that_is_asked_again_begins_the_episode_anew(start: Start, soon: None) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert [int(ask(model).result["nth"]) for _ in range(3)] == [1, 2, 3]
        first.send(signal.SIGSTOP)
        assert ask(model, 40).status is Status.LOST
        assert int(ask(model, 40).result["nth"]) == 1
        first.send(signal.SIGCONT)
        replies = []
        until(lambda: (replies.append(ask(model, 40)), which(replies[-1]) == 1)[1], "it goes back")
        assert int(replies[-1].result["nth"]) == 1
        assert model.epoch == 0  # the episode of the client goes on


def test_where_the_first_server_is_not_there_the_second_one_is_asked(start: Start) -> None:
    first, second = start()
    first.end()
    with connection(first, second) as robot:
        assert which(ask(robot.model("policy"))) == 2


def test_a_server_that_drains_is_left_without_a_loss(start: Start) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model, 40)) == 1
        first.send(signal.SIGTERM)
        replies = [ask(model, 40)]
        while which(replies[-1]) == 1:
            replies.append(ask(model, 40))
        assert {reply.status for reply in replies} == {Status.OK}
        assert first.wait() == 0


def test_what_a_draining_server_is_at_is_answered_before_the_client_moves(start: Start) -> None:
    first, second = start(seconds=0.3)
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model, 40)) == 1
        model.observe(steps_remaining=40, x=np.zeros(3, np.float32))
        first.send(signal.SIGTERM)
        until(
            lambda: robot._socket._target or robot.wait(0) and robot._socket._target, "it is told"
        )
        model.observe(steps_remaining=40, x=np.zeros(3, np.float32))
        answers = [model.get_reply(timeout_ms=1000 * LONG_S) for _ in range(2)]
        assert [which(reply) for reply in answers] == [1, 2]
        assert first.wait() == 0


def test_an_episode_that_must_not_move_waits_for_its_server(
    start: Start,
) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", stateful_failover="refuse")
        assert which(ask(model)) == 1
        first.end(signal.SIGKILL)
        until(lambda: not robot.connected or robot.wait(20), "the link is lost")
        model.observe(x=np.zeros(3, np.float32))
        reply = model.get_reply(timeout_ms=500)
        assert reply is not None and reply.result is None
        assert "stateful_failover: refuse" in robot.problem
        model.reset()
        until(lambda: which(ask(model)) == 2, "the next episode begins at the second one")


def test_asyncio_clients_go_to_another_server_too(start: Start) -> None:
    async def drive(first, second) -> list[int]:
        async with AsyncConnection([first.address, second.address], client_id="robot") as robot:
            model = robot.model("policy", control_period_ms=PERIOD_MS)
            answers = []
            for step in range(60):
                if step == 5:
                    first.end(signal.SIGKILL)
                await model.observe(steps_remaining=40, x=np.zeros(3, np.float32))
                reply = await model.get_reply(timeout_ms=1000 * LONG_S)
                answers.append(which(reply))
            return answers

    answers = asyncio.run(drive(*start()))
    assert answers[:5] == [1] * 5 and answers[-50:] == [2] * 50


def test_a_message_and_a_wake_up_reach_a_client_that_has_moved(start: Start) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy")
        assert which(ask(model)) == 1
        first.end(signal.SIGKILL)
        until(lambda: which(ask(model)) == 2, "the second one answers")
        robot.wake()
        assert robot.wait(1000 * LONG_S)


def test_a_server_that_refuses_the_key_is_passed_over_and_each_may_have_keys_of_its_own(
    tmp_path: Path,
) -> None:
    pytest.importorskip("ruamel.yaml", reason="keys need the server's packages")
    from fleet_keys import Fleet, Keys

    first, second = Keys(tmp_path / "a"), Keys(tmp_path / "b")
    with Fleet(first) as a, Fleet(second) as b:

        def asked(key: Path, server_key: Path) -> str:
            where = f"{a.server.address}?key={key}&server_key={server_key}"
            other = {"address": b.server.address, **second.of("robot_2")}
            with Connection([where, other], client_id="robot_2") as robot:
                assert ask(robot.model("policy")).status is Status.OK
                return robot.server

        key, server_key = first.of("robot_2").values()
        assert asked(key, server_key) == a.server.address
        assert asked(first.of("stranger")["key"], server_key) == b.server.address  # refused
        assert asked(key, second.of("robot_2")["server_key"]) == b.server.address  # another one


def test_where_both_are_gone_the_first_that_comes_back_is_asked(start: Start) -> None:
    first, second = start()
    with connection(first, second) as robot:
        model = robot.model("policy", control_period_ms=PERIOD_MS)
        assert which(ask(model)) == 1
        first.end()
        second.end()
        model.observe(x=np.zeros(3, np.float32))
        told = model.get_reply(timeout_ms=300)
        while told is not None and told.status is Status.LOST:
            model.observe(x=np.zeros(3, np.float32))
            told = model.get_reply(timeout_ms=300)
        assert told is not None and told.status is Status.WAITING
        assert first.address in told.error and second.address in told.error
        second.start()
        reply = model.get_reply(timeout_ms=1000 * LONG_S)
        assert reply is not None and which(reply) == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("tcp://a:1,tcp://a:1", "named twice"),
        ("", "names no address"),
        ([], "names no address"),
        ([{"adress": "tcp://a:1"}], "there is no 'adress'; there are address, key, server_key"),
        ([{"key": "x"}], "'address' is missing"),
        ("tcp://a:1?keys=x", "there is no 'keys'"),
        ("tcp://a:1?key=&server_key=", "server 'tcp://a:1': 'key' names no file"),
        ("tcp://a:1?key=a.key_secret&server_key", "'server_key' names no file"),
        ([{"address": "tcp://a:1", "key": ""}], "'key' names no file"),
        ([1], "is no address"),
        (5555, "server 5555 is no address: write tcp://host:port"),
        ("tcp://a:1,tcp://nonsense", "write tcp://host:port"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(given: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Connection(given)  # type: ignore[arg-type]


def test_without_an_address_the_environment_names_the_servers(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start()
    first.end()
    monkeypatch.setenv("INFERENTIAL_SERVER", f"{first.address},{second.address}")
    with Connection(client_id="robot") as robot:
        assert which(ask(robot.model("policy"))) == 2
