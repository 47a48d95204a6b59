"""Keys over real sockets: who gets in, who is served, and what the operator sees of the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from accounting import assert_balanced
from fleet_keys import LONG_MS, Fleet, Keys, ask

from inferential_core import (
    AsyncConnection,
    Connection,
    InferentialConfig,
    LocalDispatcher,
    Server,
    Status,
    UsageError,
)
from inferential_core.cli import figures
from inferential_core.security.client import client_keys
from inferential_core.wire.messages import ObservationHeader, encode_observation, parse_response


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys")


@pytest.fixture
def fleet(keys: Keys) -> Iterator[Fleet]:
    with Fleet(keys) as fleet:
        yield fleet
        assert_balanced(fleet.server)


def test_with_their_keys_robots_are_served(fleet: Fleet) -> None:
    with fleet.client("robot_1") as one, fleet.client("robot_2") as two:
        for step in range(5):
            for robot in (one, two):
                assert ask(robot, x=step).result["actions"][0] == step
    assert fleet.security["mode"] == "keys"
    assert (fleet.security["identities"], fleet.security["observations_refused"]) == (2, 0)


def test_the_asyncio_client_and_the_environment_take_keys_too(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    monkeypatch.setenv("INFERENTIAL_KEY", str(fleet.keys.of("robot_1")["key"]))
    monkeypatch.setenv("INFERENTIAL_SERVER_KEY", str(fleet.keys.of("robot_1")["server_key"]))

    async def once() -> Status:
        async with AsyncConnection(fleet.server.address, client_id="robot_1") as connection:
            model = connection.model("policy")
            await model.observe(x=np.float32([1]))
            return (await model.get_reply(LONG_MS)).status

    assert asyncio.run(once()) is Status.OK
    with Connection(fleet.server.address, client_id="robot_1/tool") as connection:
        assert ask(connection).status is Status.OK


# --- those who do not get in; nothing of them reaches a model, honest robots do not notice ---

OUTSIDERS = {
    "no key": ({"key": "", "server_key": ""}, ("no key", "broken off"), "demand"),
    "an unknown key": ({}, ("unknown key",), "refuses this key"),
    "another server's key": ({"server_key": "stranger.key"}, ("wrong server key",), "server_key"),
}


@pytest.mark.parametrize("who", OUTSIDERS)
def test_outsiders_are_not_served_are_told_why_and_seen_by_the_operator(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    given, reasons, told = OUTSIDERS[who]
    name = "stranger" if who == "an unknown key" else "robot_2"
    options = {key: str(fleet.keys.folder / path) if path else "" for key, path in given.items()}
    with fleet.client("robot_1") as honest, fleet.client(name, **options) as outsider:
        assert ask(honest).status is Status.OK
        reply = ask(outsider, x=7.0)
        assert reply.status is Status.LOST
        while not outsider.refusal:
            assert outsider.wait(LONG_MS)
        assert told in outsider.refusal
        assert not outsider.connected
        reply = ask(outsider, x=7.0)  # and from now on at once
        assert reply.status is Status.LOST and told in reply.error
        assert outsider.model("policy").get_result(LONG_MS) is None
        with pytest.raises(UsageError, match="no specification"):
            outsider.model("policy").specification(LONG_MS)
        assert ask(honest).status is Status.OK
        seen = fleet.wait_for_refused_handshake(reasons)
        assert fleet.server.metrics.get_latest("auth_failures") == 1.0
        assert 7.0 not in fleet.seen
        assert honest.refusal == ""
    assert [client["id"] for client in fleet.server.status()["clients"]] == ["robot_1"]
    if "broken off" not in seen:
        assert "handshake refused" in caplog.text
    assert caplog.text.count(told) >= 1  # the client's own warning


def test_one_who_is_let_in_later_is_served_without_being_started_again(fleet: Fleet) -> None:
    with fleet.client("stranger") as robot:
        assert ask(robot).status is Status.LOST
        fleet.keys.run("authorize", "stranger")
        while not robot.connected:
            assert robot.wait(LONG_MS)
        assert robot.refusal == ""
        assert ask(robot).status is Status.OK


# --- those who are in, and want what is not theirs ---


def test_another_robots_id_is_rejected_and_that_robot_does_not_notice(fleet: Fleet) -> None:
    with fleet.client("robot_1") as honest:
        handle = honest.model("policy")
        handle.observe(x=np.float32([1]))
        assert handle.get_result(LONG_MS) is not None
        before = client_of(fleet, "robot_1")
        fleet.answer.clear()
        handle.observe(x=np.float32([2]))
        with fleet.client("robot_2", client_id="robot_1") as thief:
            reply = ask(thief, x=7.0)
            assert reply.status is Status.REJECTED
            assert "'robot_2' speaks for robot_2, robot_2/*, not for 'robot_1'" in reply.error
        fleet.answer.set()
        assert handle.get_result(LONG_MS)["actions"][0] == 2
    after = client_of(fleet, "robot_1")
    assert (after["takeovers"], after["failed"]) == (before["takeovers"], 0)
    assert client_of(fleet, "refused: robot_2")["failed"] == 1
    assert fleet.security["observations_by_reason"] == {"client id not granted": 1}
    assert fleet.security["last_refused"]["reason"] == "client id not granted"
    told = figures.security(fleet.server.status())
    assert told == "clients with one of 2 keys; observations refused: 1 client id not granted"
    assert fleet.server.metrics.get_latest("observations_refused") == 1.0
    assert 7.0 not in fleet.seen


@pytest.mark.parametrize("routing_id", ["the victim's client id", "its own client id"])
def test_replies_cannot_be_had_by_taking_over_a_zeromq_identity(
    fleet: Fleet, routing_id: str
) -> None:
    """A peer with a valid key of its own claims the identity that replies are sent to."""
    fleet.answer.clear()
    with fleet.client("robot_1") as victim, zmq.Context() as context:
        handle = victim.model("policy")
        handle.observe(x=np.float32([1]))
        wait_until_seen(fleet, 1)
        thief = context.socket(zmq.DEALER)
        thief.linger = 0
        client_keys(**fleet.keys.of("robot_2")).secure(thief)
        thief.identity = b"robot_2" if routing_id == "its own client id" else b"robot_1"
        thief.connect(fleet.server.address)
        claimed = "robot_2" if routing_id == "its own client id" else "robot_1"
        header = ObservationHeader(client_id=claimed, model_id="policy", request_id=1)
        thief.send_multipart(encode_observation(header, {"x": np.float32([7])}))
        assert thief.poll(LONG_MS)
        refusal = parse_response(thief.recv_multipart())
        told = "must not be the client id" if claimed == "robot_2" else "not for 'robot_1'"
        assert told in refusal.error
        assert (refusal.request_id, len(fleet.seen)) == (1, 1)
        fleet.answer.set()
        assert handle.get_result(LONG_MS)["actions"][0] == 1
        assert victim.connected and not thief.poll(0)
        thief.close()


def test_a_robot_that_was_rebooted_is_answered_at_once(fleet: Fleet) -> None:
    """Its half-open connection is still there, and must not stand in its way."""
    lives = [fleet.client("robot_1") for _ in range(3)]
    for number, life in enumerate(lives):
        assert ask(life, x=number).result["actions"][0] == number
    assert client_of(fleet, "robot_1")["takeovers"] == 2
    for life in lives:
        life.close()


def test_a_model_that_is_not_granted_is_not_asked(fleet: Fleet) -> None:
    fleet.keys.run("authorize", "robot_2", "--model", "policy")
    fleet.server.reload_rights()
    with fleet.client("robot_2") as robot:
        assert ask(robot, "policy").status is Status.OK
        reply = ask(robot, "other", x=7.0)
        assert reply.status is Status.REJECTED
        assert reply.error == "the key of 'robot_2' may ask policy, not 'other'"
        with pytest.raises(UsageError, match="may ask policy"):
            robot.model("other").specification(LONG_MS)
    with fleet.client("robot_1") as other:
        assert ask(other, "other").status is Status.OK
    assert fleet.security["observations_by_reason"] == {"model not granted": 2}
    assert 7.0 not in fleet.seen


def test_the_tier_that_a_robot_claims_is_capped_at_the_one_granted(keys: Keys) -> None:
    from inferential_core import register_policy

    tiers: list[int] = []

    @register_policy("watching_tiers")
    def watching(request) -> float:
        tiers.append(request.priority)
        return 0.0

    keys.run("authorize", "robot_2", "--priority", "2")
    clients = {"known": [{"id": "robot_1/tool", "priority": 0}]}
    with Fleet(keys, scheduling={"policy": "watching_tiers"}, clients=clients) as fleet:
        for name, client_id, claimed in (
            ("robot_1", "robot_1", 0),
            ("robot_1", "robot_1", 5),
            ("robot_2", "robot_2", 0),
            ("robot_1", "robot_1/tool", 3),  # the operator's word, not the robot's
        ):
            with fleet.client(name, client_id=client_id) as robot:
                handle = robot.model("policy", priority=claimed)
                handle.observe(x=np.float32([0]))
                assert handle.get_result(LONG_MS) is not None
    assert [tier for i, tier in enumerate(tiers) if i == 0 or tier != tiers[i - 1]] == [1, 5, 2, 0]


@pytest.mark.parametrize("limit", [("--rate", "3"), ("--bytes-per-s", "1000")])
def test_what_is_beyond_a_quota_is_rejected_and_costs_nobody_else(
    keys: Keys, limit: tuple[str, str]
) -> None:
    keys.run("authorize", "robot_2", *limit)
    with Fleet(keys) as fleet, fleet.client("robot_1") as one, fleet.client("robot_2") as two:
        replies = [ask(two) for _ in range(30)]
        assert replies[0].status is Status.OK
        refused = [reply for reply in replies if reply.status is Status.REJECTED]
        assert refused and f"'robot_2' may send {limit[1]}" in refused[0].error
        assert all(ask(one).status is Status.OK for _ in range(30))
        assert set(fleet.security["observations_by_reason"]) == {"quota"}


# --- what changes while it serves ---


@pytest.mark.parametrize("how", ["revoked", "removed", "given another key"])
def test_a_key_that_is_no_longer_good_is_out_at_once_and_nobody_else_is_dropped(
    fleet: Fleet, how: str
) -> None:
    with fleet.client("robot_1") as other, fleet.client("robot_2") as robot:
        assert ask(other).status is ask(robot).status is Status.OK
        authorized = fleet.keys.folder / "authorized.yaml"
        if how == "revoked":
            fleet.keys.run("revoke", "robot_2")
        elif how == "removed":
            text = authorized.read_text()
            authorized.write_text(text[: text.index("robot_2:")])
        else:
            public_key = str(fleet.keys.folder / "stranger.key")
            fleet.keys.run("authorize", "robot_2", "--public-key", public_key)
        fleet.server.reload_rights()
        reply = ask(robot, x=7.0)  # on the connection that it has
        assert reply.status is Status.REJECTED
        assert "revoked" in reply.error or "not authorized any more" in reply.error
        with fleet.client("robot_2") as again:  # on a new one
            assert ask(again, x=7.0).status is Status.LOST
            assert "refuses this key" in again.refusal
        reason = "revoked key" if how == "revoked" else "unknown key"
        assert fleet.security["handshakes_by_reason"][reason] >= 1
        assert ask(other).status is Status.OK
        assert client_of(fleet, "robot_1")["takeovers"] == 0
        assert 7.0 not in fleet.seen


def test_rights_are_read_again_by_themselves_when_the_file_changes(fleet: Fleet) -> None:
    with fleet.client("robot_2") as robot:
        assert ask(robot).status is Status.OK
        fleet.keys.run("revoke", "robot_2")
        while ask(robot).status is Status.OK:  # until it is noticed
            pass
        fleet.keys.run("authorize", "robot_2")
        while ask(robot).status is Status.REJECTED:
            pass


def test_a_broken_file_changes_nothing_and_says_why(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    from inferential_core import ConfigError

    authorized = fleet.keys.folder / "authorized.yaml"
    with fleet.client("robot_1") as robot:
        assert ask(robot).status is Status.OK
        good = authorized.read_text()
        authorized.write_text(good + "robot_3: {key: short}\n")
        with pytest.raises(ConfigError, match="robot_3: key: expected 40 characters"):
            fleet.server.reload_rights()
        assert ask(robot).status is Status.OK
        assert "robot_3" in fleet.security["problem"] and "robot_3" in caplog.text
        authorized.write_text(good)
        fleet.server.reload_rights()
        assert fleet.security["problem"] == ""


def test_a_file_that_is_being_written_and_empty_so_far_locks_nobody_out(fleet: Fleet) -> None:
    from inferential_core import ConfigError

    (fleet.keys.folder / "authorized.yaml").write_text("")
    with pytest.raises(ConfigError, match="authorized.yaml: empty; write {}"):
        fleet.server.reload_rights()
    with fleet.client("robot_1") as robot:
        assert ask(robot).status is Status.OK


def test_the_command_that_a_refusal_of_the_file_names_mends_it(fleet: Fleet) -> None:
    from inferential_core import ConfigError

    authorized = fleet.keys.folder / "authorized.yaml"
    authorized.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod go-w"):
        fleet.server.reload_rights()
    assert fleet.security["problem"]
    authorized.chmod(0o644)
    deadline = time.monotonic() + LONG_MS / 1000
    while fleet.security["problem"]:  # until it is noticed
        assert time.monotonic() < deadline


def test_a_message_of_countless_frames_is_malformed_also_with_keys(fleet: Fleet) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        client_keys(**fleet.keys.of("robot_2")).secure(socket)
        socket.linger = 0
        socket.connect(fleet.server.address)
        socket.send_multipart([b""] * 5000)
        deadline = time.monotonic() + LONG_MS / 1000
        while fleet.server.status()["malformed"] != 1:
            assert time.monotonic() < deadline
        with fleet.client("robot_1") as robot:
            assert ask(robot).status is Status.OK


# --- without keys ---


def test_beyond_loopback_without_keys_only_this_machine_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = LocalDispatcher({"policy": lambda obs: {"actions": obs["x"]}})
    with Server("tcp://0.0.0.0:0", dispatcher=models) as server:
        port = server.address.rpartition(":")[2]
        with Connection(f"tcp://127.0.0.1:{port}", client_id="near") as near:
            assert ask(near).status is Status.OK
        outside = own_address()
        if outside is not None:
            with Connection(f"tcp://{outside}:{port}", client_id="far") as far:
                assert ask(far).status is Status.LOST
                assert "serves its own machine only" in far.refusal
            reasons = server.status()["security"]["handshakes_by_reason"]
            assert list(reasons) == ["another machine, and no keys"]  # for each time it tried
        assert server.status()["security"]["mode"] == "this machine"
    assert "only this machine is served" in caplog.text


def test_allow_insecure_serves_anybody_and_warns_at_every_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = InferentialConfig(security={"allow_insecure": True})
    models = LocalDispatcher({"policy": lambda obs: {"actions": obs["x"]}})
    server = Server("tcp://0.0.0.0:0", config=config, dispatcher=models)
    for _ in range(2):
        caplog.clear()
        with server:
            port = server.address.rpartition(":")[2]
            address = own_address() or "127.0.0.1"
            with Connection(f"tcp://{address}:{port}", client_id="far") as far:
                assert ask(far).status is Status.OK
            assert server.status()["security"]["mode"] == "anybody"
        warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert "anybody who reaches this port" in warnings[0].getMessage()


def test_a_robot_with_a_key_does_not_speak_to_a_server_without(keys: Keys) -> None:
    """Somebody who answers in the server's place, having no keys, gets nothing to read."""
    models = LocalDispatcher({"policy": lambda obs: {"actions": obs["x"]}})
    with (
        Server("tcp://127.0.0.1:0", dispatcher=models) as server,
        Connection(server.address, client_id="robot_1", **keys.of("robot_1")) as robot,
    ):
        assert ask(robot).status is Status.LOST
        while not robot.refusal:
            assert robot.wait(LONG_MS)
        assert server.status()["received"] == 0


def client_of(fleet: Fleet, name: str) -> dict:
    return {client["id"]: client for client in fleet.server.status()["clients"]}[name]


def wait_until_seen(fleet: Fleet, count: int) -> None:
    import time

    deadline = time.monotonic() + LONG_MS / 1000
    while len(fleet.seen) < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def own_address() -> str | None:
    """An address of this machine that is not loopback, if it has one: peers there count as far."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address
