"""The door for openpi clients: real WebSockets, with the bytes that openpi's client sends."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import msgpack
import numpy as np
import pytest
from accounting import assert_balanced
from doors_rig import OpenpiClient, Starting, address, port, serve, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from inferential_core import Connection

IMAGE = np.arange(224 * 224 * 3, dtype=np.uint32).astype(np.uint8).reshape(224, 224, 3)


def echo(obs):
    return {"actions": obs["state"]}


class Echo:
    def __init__(self):
        self.sizes = []

    def infer_batch(self, observations):
        self.sizes.append(len(observations))
        return list(map(echo, observations))


def keep(seen):
    """A model that keeps what it is asked."""

    def model(obs):
        seen.append(obs)
        return {"actions": np.zeros((10, 7), np.float32)}

    return model


# --- what passes ---


def test_an_observation_reaches_the_model_as_it_was_and_its_chunk_comes_back():
    seen = []
    with serve({"pi0": keep(seen)}, "openpi") as server, OpenpiClient(address(server)) as client:
        answer = client.infer(
            {
                "observation/image": IMAGE,
                "observation/state": np.arange(8, dtype=np.float64),
                "prompt": "pick up the cube",
            }
        )
        assert_balanced(server)
    (obs,) = seen
    assert obs.keys() == {"observation/image", "observation/state", "prompt"}
    assert (obs["observation/image"] == IMAGE).all() and obs["prompt"] == "pick up the cube"
    assert obs["observation/state"].dtype == np.float64
    assert (answer["actions"].shape, answer["actions"].dtype) == ((10, 7), np.float32)
    assert answer["policy_timing"]["infer_ms"] >= 0.0
    assert answer["server_timing"]["infer_ms"] >= answer["policy_timing"]["infer_ms"]


def test_the_time_of_the_question_before_comes_with_the_second_answer():
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        first, second = (client.infer({"state": np.float32([1])}) for _ in "ab")
    assert "prev_total_ms" not in first["server_timing"]
    assert second["server_timing"]["prev_total_ms"] > 0.0


@pytest.mark.parametrize("as_key", [str.encode, str])
def test_arrays_are_answered_with_the_keys_that_they_were_asked_with(as_key):
    with serve({"pi0": echo}, "openpi") as server:
        with OpenpiClient(address(server), as_key) as client:
            answer = client.infer({"state": np.float32([[1, 2], [3, 4]])})
    assert (answer["actions"] == [[1, 2], [3, 4]]).all()


def test_what_is_nested_comes_flat_to_a_model_and_nested_to_one_that_takes_it_so():
    class Nested:
        nested = True

        def __init__(self):
            self.seen = None

        def infer(self, obs):
            self.seen = obs
            return {"actions": obs["images"]["high"], "info": {"steps": np.int64(3)}}

    flat, nested = [], Nested()
    doors = ({"kind": "openpi", "model": "flat"}, {"kind": "openpi", "model": "nested"})
    observation = {"images": {"high": np.zeros((3, 2), np.uint8)}, "prompt": "go"}
    with serve({"flat": keep(flat), "nested": nested}, *doors) as server:
        with OpenpiClient(address(server, 0)) as client:
            client.infer(observation)
        with OpenpiClient(address(server, 1)) as client:
            answer = client.infer(observation)
    assert flat[0].keys() == {"images.high", "prompt"}
    assert nested.seen["images"]["high"].shape == (3, 2)
    assert answer["info"] == {"steps": 3}  # a number, as chunk brokers index each array


def test_scalars_of_numpy_and_of_python_reach_the_model():
    seen = []
    generic = {b"__npgeneric__": True, b"data": 3, b"dtype": "<i4"}
    with serve({"pi0": keep(seen)}, "openpi") as server, OpenpiClient(address(server)) as client:
        client.infer({"a": generic, "b": 0.5, "c": True, "d": [1.0, 2.0], "e": ["x", "y"]})
    (obs,) = seen
    assert (obs["a"], obs["a"].dtype) == (3, np.int32)
    assert (float(obs["b"]), bool(obs["c"]), list(obs["d"])) == (0.5, True, [1.0, 2.0])
    assert (obs["e.0"], obs["e.1"]) == ("x", "y")


def test_the_first_message_is_the_metadata_of_the_model():
    class Policy:
        specification = {"notes": {"metadata": {"reset_pose": [0.0, 1.5]}}}

        def infer(self, obs):
            return {"actions": obs["state"]}

    with serve({"pi0": Policy(), "other": echo}, "openpi") as server:
        with OpenpiClient(f"{address(server)}/pi0") as client:
            assert client.metadata == {"reset_pose": [0.0, 1.5]}
        with OpenpiClient(f"{address(server)}/other") as client:
            assert client.metadata == {}


def test_who_connects_while_the_model_starts_waits_for_its_metadata_and_not_in_vain():
    class Policy:
        specification = {"notes": {"metadata": {"reset_pose": [0.0, 1.5]}}}

        def infer(self, obs):
            return {"actions": obs["state"]}

    dispatcher = Starting({"pi0": Policy()})
    with serve({}, "openpi", dispatcher=dispatcher) as server, ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(OpenpiClient, address(server))
        wait_for(lambda: server.doors()[0]["clients"] == 1)
        assert not connecting.done()
        dispatcher.let_start()
        with connecting.result(20) as client:
            assert client.metadata == {"reset_pose": [0.0, 1.5]}


def test_health_is_asked_over_http():
    with serve({"pi0": echo}, "openpi") as server:
        connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=20)
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"OK\n")
        connection.close()


@pytest.mark.parametrize(
    "path", ["/b", "/?model=b", "/v1/realtime/robot/openpi?model=b", "/b?client=arm-3"]
)
def test_path_and_query_name_the_model_and_the_client(path):
    models = {"a": lambda obs: {"actions": np.float32([0])}, "b": echo}
    with serve(models, "openpi") as server, OpenpiClient(address(server) + path) as client:
        assert client.infer({"state": np.float32([5])})["actions"] == [5]
        (found,) = server.status()["clients"]
    assert found["id"] == ("arm-3" if "arm" in path else "openpi-127.0.0.1-1")


def test_reserved_keys_tell_the_runway_and_do_not_reach_the_model():
    seen = []
    with serve({"pi0": keep(seen)}, "openpi") as server, OpenpiClient(address(server)) as client:
        taken = []
        server.metrics.listen(lambda name, value, labels: taken.append((name, value)))
        client.infer(
            {
                "state": np.float32([1]),
                "inferential/steps_remaining": 100,
                "inferential/control_period_ms": 20,
                "inferential/urgency": 0.5,
                "inferential/epoch": 7,
            }
        )
    assert seen[0].keys() == {"state"}
    (runway,) = [value for name, value in taken if name == "runway_at_service_ms"]
    assert 1900 < runway <= 2000


def test_roboarena_is_answered_with_the_array_alone_and_resets_are_told():
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        asked = {"endpoint": "infer", "session_id": "s1", "state": np.float32([[1, 2]])}
        assert (client.infer(asked) == [[1, 2]]).all()
        assert client.infer({"endpoint": "reset"}) == "reset successful"
        assert (client.infer(asked) == [[1, 2]]).all()
        assert_balanced(server)


def test_starvla_asks_several_examples_at_once():
    seen = []

    def model(obs):
        seen.append(obs)
        return {"actions": np.full((4, 2), obs["state"][0], np.float32)}

    examples = [
        {"image": [IMAGE, IMAGE], "lang": "go", "state": np.float32([number])} for number in (1, 2)
    ]
    with serve({"vla": model}, "openpi") as server, OpenpiClient(address(server)) as client:
        pong = client.infer({"type": "ping", "request_id": 1, "payload": {}})
        answer = client.infer(
            {"type": "infer", "request_id": 2, "payload": {"examples": examples}}
        )
        bad = client.infer({"type": "infer", "request_id": 3, "payload": {"examples": []}})
    assert (pong["ok"], pong["request_id"]) == (True, 1)
    assert (answer["ok"], answer["request_id"]) == (True, 2)
    assert answer["data"]["actions"].shape == (2, 4, 2)
    assert (answer["data"]["actions"][1] == 2).all()
    assert seen[0].keys() == {"image.0", "image.1", "lang", "state"}
    assert "without examples" in bad


# --- what is refused, with the connection left open ---


AN_ARRAY = {b"__ndarray__": True, b"data": bytes(2), b"dtype": "|u1", b"shape": [2]}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (b"\xc1", "no MessagePack"),
        (b"", "no MessagePack"),
        (msgpack.packb([1, 2]), "a map of keys to values, not list"),
        (msgpack.packb({"a": None}), "'a': NoneType is no array"),
        (msgpack.packb({"batch": [{}]}), "ask one observation at a time"),
        (msgpack.packb({"inferential/steps": 1}), "is no key that the server knows"),
        (msgpack.packb({"inferential/epoch": -1}), "must be from 0"),
        (msgpack.packb({"a": {"b": 1}, "a.b": 2}), "two values for 'a.b'"),
        ("a text", "no MessagePack"),
        (msgpack.packb({"endpoint": AN_ARRAY, "a": None}), "'a': NoneType is no array"),
        (msgpack.packb({"endpoint": "rest", "a": 1}), "'rest' is unknown: did you mean 'reset'?"),
        (msgpack.packb({"inferential/epoch": "4"}), "must be a whole number, not str"),
        (msgpack.packb({"inferential/epoch": 0.5}), "must be a whole number, not 0.5"),
        (
            msgpack.packb({"inferential/urgency": float("nan")}),
            "must be from 0 to 1000000000, not",
        ),
        (msgpack.packb({"inferential/steps_remaining": 4, "a": 1}), "control_period_ms' above 0"),
        (msgpack.packb({"type": AN_ARRAY, "request_id": 1}), "without examples"),
    ],
)
def test_what_is_no_observation_is_told_and_the_connection_stays(message, told):
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        refused = client.raw(message)
        assert isinstance(refused, str) and refused.startswith("REJECTED") and told in refused
        assert client.infer({"state": np.float32([1])})["actions"] == [1]
        assert_balanced(server)


def test_a_model_that_fails_is_told_and_the_connection_stays():
    def fail_on_two(obs):
        if obs["state"][0] == 2:
            raise ValueError("two is too much")
        return {"actions": obs["state"]}

    with serve({"pi0": fail_on_two}, "openpi", scheduling={"max_retries": 0}) as server:
        with OpenpiClient(address(server)) as client:
            assert client.infer({"state": np.float32([2])}).startswith("ERROR: ValueError: two is")
            assert client.infer({"state": np.float32([1])})["actions"] == [1]


def test_an_unknown_model_is_told_when_it_is_asked():
    with serve({"pi0": echo}, "openpi") as server:
        with OpenpiClient(f"{address(server)}/pi") as client:
            told = client.infer({"state": np.float32([1])})
    assert told == "REJECTED: model 'pi' is unknown: did you mean 'pi0'?"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/?Model=b", "the address has an unknown key 'Model': did you mean 'model'?"),
        ("/?modle=", "the address has an unknown key 'modle': did you mean 'model'?"),
        ("/?clint=arm", "the address has an unknown key 'clint': did you mean 'client'?"),
        ("/?client=arm&client=leg", "the address has two values for ?client="),
        ("/a?model=b", "the path of the address names the model 'a', and ?model= names 'b': name"),
    ],
)
def test_an_address_with_a_mistake_is_told_in_words_and_no_model_is_asked(path, told):
    with serve({"a": echo, "b": echo}, {"kind": "openpi", "model": "a"}) as server:
        with OpenpiClient(f"{address(server)}{path}") as client:
            assert client.infer({"state": np.float32([1])}).startswith(f"REJECTED: {told}")
        assert server.status()["received"] == 0


def test_a_second_question_before_the_answer_is_refused(gate):
    with serve({"pi0": gate(Echo())}, "openpi") as server:
        with OpenpiClient(address(server)) as client:
            client.send(client.pack({"state": np.float32([1])}))
            gate.wait_until_busy()
            assert "when the question before this one" in client.raw(client.pack({"state": 1}))
            gate.open()
            assert client.receive()["actions"] == [1]
            assert server.doors()[0]["errors"] == {"a question before the answer": 1}


def test_what_expires_in_a_full_queue_is_asked_once_more(gate):
    ttl = {"request_ttl_ms": 50}
    with serve({"pi0": gate(Echo())}, "openpi", scheduling=ttl) as server:
        with OpenpiClient(address(server)) as first, OpenpiClient(address(server)) as second:
            first.send(first.pack({"state": np.float32([1])}))
            gate.wait_until_busy()
            second.send(second.pack({"state": np.float32([2])}))
            wait_for(lambda: server.status()["expired"] >= 2)
            gate.open()
            assert second.receive()["actions"] == [2]
        assert_balanced(server)


# --- connections ---


def test_pings_are_answered_while_a_model_works(gate):
    with serve({"pi0": gate(Echo())}, "openpi") as server:
        with OpenpiClient(address(server)) as client:
            client.send(client.pack({"state": np.float32([1])}))
            gate.wait_until_busy()
            assert client.socket.ping().wait(20)
            gate.open()
            assert client.receive()["actions"] == [1]


def test_a_message_in_fragments_is_read():
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        message = client.pack({"state": np.arange(1000, dtype=np.float32)})
        client.send(message[at : at + 777] for at in range(0, len(message), 777))
        assert len(client.receive()["actions"]) == 1000


def test_a_message_of_too_many_fragments_ends_that_connection_alone():
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        first = Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True)
        more = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
        client.socket.socket.sendall(first + 5000 * more)
        with pytest.raises(ConnectionClosed) as caught:
            client.receive()
        assert caught.value.rcvd.code == 1009
        assert server.doors()[0]["errors"] == {"too many fragments": 1}
        with OpenpiClient(address(server)) as other:
            assert other.infer({"state": np.float32([1])})["actions"] == [1]


def test_fragments_that_come_too_slowly_are_too_slow(monkeypatch):
    from inferential_core.doors.openpi import connection

    monkeypatch.setattr(connection, "_MESSAGE_S", 0.1)
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        client.socket.socket.sendall(Frame(Opcode.BINARY, b"x", fin=False).serialize(mask=True))
        with pytest.raises(ConnectionClosed):
            client.receive()
        assert server.doors()[0]["errors"] == {"too slow": 1}


def test_a_client_that_does_not_read_is_not_heard_and_loses_nothing():
    answer = np.zeros(20_000_000, np.uint8)  # more than the sockets' buffers hold
    with serve({"pi0": lambda obs: {"actions": answer}}, "openpi") as server:
        with OpenpiClient(address(server)) as slow, OpenpiClient(address(server)) as other:
            slow.send(slow.pack({"state": 1}))
            wait_for(lambda: server.status()["ok"] == 1)
            slow.send(slow.pack({"state": 1}))
            assert other.infer({"state": 1})["actions"].nbytes == answer.nbytes
            for _ in "ab":
                assert slow.receive()["actions"].nbytes == answer.nbytes
        assert_balanced(server)


def test_a_client_that_never_reads_is_sent_away(monkeypatch):
    from inferential_core.doors.openpi import connection

    answer = np.zeros(20_000_000, np.uint8)
    with serve({"pi0": lambda obs: {"actions": answer}}, "openpi") as server:
        with socket.create_connection(("127.0.0.1", port(server)), 20) as deaf:
            deaf.sendall(b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n")
            assert deaf.recv(65536).startswith(b"HTTP/1.1 101")
            monkeypatch.setattr(connection, "_MESSAGE_S", 0.1)
            question = msgpack.packb({"state": 1})
            deaf.sendall(Frame(Opcode.BINARY, question).serialize(mask=True))
            wait_for(lambda: server.doors()[0]["errors"] == {"too slow": 1})
            assert server.doors()[0]["clients"] == 0


def test_what_is_larger_than_the_limit_ends_that_connection_alone():
    limits = {"max_message_bytes": 100_000}
    with serve({"pi0": echo}, "openpi", limits=limits) as server:
        with OpenpiClient(address(server)) as other, OpenpiClient(address(server)) as client:
            with pytest.raises(ConnectionClosed) as caught:
                client.infer({"state": np.zeros(100_000, np.float32)})
            assert caught.value.rcvd.code == 1009
            assert other.infer({"state": np.float32([1])})["actions"] == [1]
            assert server.doors()[0]["errors"] == {"too large": 1}


def test_what_is_no_websocket_ends_that_connection_alone():
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as other:
        for sent in (b"\x00" * 10_000, b"GET / HTTP/1.1\r\n\r\n", b"POST /pi0 HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port(server)), 20) as plain:
                plain.sendall(sent)
                plain.settimeout(20)
                while plain.recv(65536):
                    pass
        assert other.infer({"state": np.float32([1])})["actions"] == [1]
        assert server.doors()[0]["errors"] == {"no message of the protocol": 3}


def test_who_begins_with_tls_at_a_door_without_a_certificate_is_not_left_waiting():
    with serve({"pi0": echo}, "openpi") as server:
        with socket.create_connection(("127.0.0.1", port(server)), 20) as plain:
            plain.settimeout(5)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
        assert server.doors()[0]["errors"] == {"no message of the protocol": 1}


def test_frames_that_break_the_protocol_end_that_connection_alone():
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as client:
        client.socket.socket.sendall(Frame(Opcode.BINARY, b"x").serialize(mask=False))
        with pytest.raises(ConnectionClosed) as caught:
            client.receive()
        assert caught.value.rcvd.code == 1002
        wait_for(lambda: server.doors()[0]["clients"] == 0)


def test_who_is_too_slow_is_sent_away(monkeypatch):
    from inferential_core.doors.openpi import connection

    monkeypatch.setattr(connection, "_HANDSHAKE_S", 0.05)
    monkeypatch.setattr(connection, "_MESSAGE_S", 0.05)
    with serve({"pi0": echo}, "openpi") as server:
        with socket.create_connection(("127.0.0.1", port(server)), 20) as silent:
            assert silent.recv(1) == b""
        with OpenpiClient(address(server)) as client:
            whole = Frame(Opcode.BINARY, b"x" * 1000).serialize(mask=True)
            client.socket.socket.sendall(whole[:500])
            with pytest.raises(ConnectionClosed):
                client.receive()
        assert server.doors()[0]["errors"] == {"too slow": 2}


UPGRADE = (
    b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize(
    "request_",
    [b"GET //[ HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n" + 2 * b"Authorization: Api-Key a\r\n"],
)
def test_a_request_that_cannot_be_understood_is_answered_so_and_counted(request_):
    with serve({"pi0": echo}, "openpi") as server:
        with socket.create_connection(("127.0.0.1", port(server)), 20) as plain:
            plain.sendall(request_ + UPGRADE + b"\r\n")
            assert plain.makefile("rb").read().startswith(b"HTTP/1.1 400")
        assert server.doors()[0]["errors"] == {"no message of the protocol": 1}


@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_a_client_may_ask_before_it_has_read_anything(piece):
    with serve({"pi0": echo}, "openpi") as server:
        with socket.create_connection(("127.0.0.1", port(server)), 20) as hasty:
            hasty.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            question = Frame(Opcode.BINARY, msgpack.packb({"state": 7})).serialize(mask=True)
            sent = b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n" + question
            for begin in range(0, len(sent), piece):
                hasty.sendall(sent[begin : begin + piece])
            hasty.settimeout(20)
            heard = b""
            while b"actions" not in heard:
                heard += hasty.recv(65536)
        assert heard.index(b"\r\n\r\n") < heard.index(b"actions")
        assert_balanced(server)


def test_compression_is_offered_in_vain_as_at_openpis_own_server():
    with serve({"pi0": echo}, "openpi") as server:
        with connect(address(server), compression="deflate") as client:
            assert "Sec-WebSocket-Extensions" not in client.response.headers


def test_a_flood_of_pings_leaves_room_for_others():
    ping = Frame(Opcode.PING, b"").serialize(mask=True)
    with serve({"pi0": echo}, "openpi") as server, OpenpiClient(address(server)) as other:
        with OpenpiClient(address(server)) as client:
            flooding = threading.Thread(
                target=client.socket.socket.sendall, args=(300_000 * ping,)
            )
            flooding.start()
            for _ in range(20):
                assert other.infer({"state": np.float32([1])})["actions"] == [1]
            flooding.join()
            assert client.infer({"state": np.float32([2])})["actions"] == [2]
        assert server.doors()[0]["errors"] == {}


def test_two_robots_that_give_the_same_name_are_not_mixed_up():
    with serve({"pi0": echo}, "openpi") as server:
        url = f"{address(server)}/?client=arm"
        with OpenpiClient(url) as one, OpenpiClient(url) as two:
            answers = [
                client.infer({"state": np.float32([number])})
                for number, client in enumerate([one, two] * 5)
            ]
        assert "another robot uses the client id 'arm', too" in answers[-1]
        for number, answer in enumerate(answers):
            assert isinstance(answer, str) or answer["actions"] == [number]
        wait_for(lambda: server.doors()[0]["clients"] == 0)
        assert_balanced(server)


def test_clients_that_come_and_go_leave_nothing_behind():
    with serve({"pi0": echo}, "openpi") as server:
        for number in range(100):
            with OpenpiClient(address(server)) as client:
                if number % 2:
                    client.send(client.pack({"state": np.float32([1])}))
        wait_for(lambda: server.doors()[0]["clients"] == 0)
        with OpenpiClient(address(server)) as client:
            assert client.infer({"state": np.float32([1])})["actions"] == [1]
        assert_balanced(server)
        assert server.doors()[0]["errors"] == {}


def test_pages_of_a_browser_are_kept_out():
    with serve({"pi0": echo}, "openpi") as server:
        with pytest.raises(InvalidStatus) as caught:
            OpenpiClient(address(server), origin="http://evil.example")
    assert caught.value.response.status_code == HTTPStatus.FORBIDDEN


def test_a_client_that_drops_its_connection_leaves_nothing_behind(gate):
    with serve({"pi0": gate(Echo())}, "openpi") as server:
        client = OpenpiClient(address(server))
        client.send(client.pack({"state": np.float32([1])}))
        gate.wait_until_busy()
        client.socket.socket.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: server.doors()[0]["clients"] == 0)
        gate.open()
        wait_for(lambda: server.status()["undelivered"] == 1)
        assert_balanced(server)
        client.close()


def test_a_server_that_stops_tells_what_waits_and_says_goodbye(gate):
    with serve({"pi0": gate(Echo())}, "openpi") as server:
        client = OpenpiClient(address(server))
        client.send(client.pack({"state": np.float32([1])}))
        gate.wait_until_busy()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert client.receive() == "DROPPED: the server stops"
        with pytest.raises(ConnectionClosed) as caught:
            client.receive()
        assert caught.value.rcvd.code == 1001
        gate.open()
        stopping.join()


def test_a_door_shares_batches_with_our_own_clients(gate):
    model = Echo()
    with serve({"pi0": gate(model)}, "openpi") as server:
        with OpenpiClient(address(server)) as client, Connection(server.address) as connection:
            ours = connection.model("pi0")
            ours.observe(state=np.float32([0]))
            gate.wait_until_busy()
            client.send(client.pack({"state": np.float32([1])}))
            ours.observe(state=np.float32([2]))
            wait_for(lambda: server.status()["queued"] == 2)
            gate.open()
            assert client.receive()["actions"] == [1]
    assert model.sizes == [1, 2]


# --- credentials and encryption ---


@pytest.fixture
def keys(tmp_path):
    import hashlib

    from inferential_core.security.keyfiles import make_keys

    make_keys(tmp_path, "server")
    digest = hashlib.sha256(b"secret123").hexdigest()
    (tmp_path / "authorized.yaml").write_text(f"arm:\n  token_sha256: {digest}\n")
    return str(tmp_path)


def test_an_api_key_lets_its_identity_in_and_no_other_does(keys):
    with serve({"pi0": echo}, "openpi", security={"keys": keys}) as server:
        header = {"Authorization": "Api-Key secret123"}
        with OpenpiClient(address(server), additional_headers=header) as client:
            assert client.infer({"state": np.float32([1])})["actions"] == [1]
            assert server.status()["clients"][0]["id"] == "arm"
        begun = time.monotonic()
        with pytest.raises(InvalidStatus) as caught:
            OpenpiClient(address(server), additional_headers={"Authorization": "Api-Key no"})
        assert caught.value.response.status_code == HTTPStatus.UNAUTHORIZED
        assert time.monotonic() - begun >= 0.5
        assert server.status()["security"]["handshakes_by_reason"] == {"unknown token": 1}


def test_a_door_with_a_certificate_is_encrypted(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("openssl is not here")
    door = {"kind": "openpi", "certificate": str(certificate), "certificate_key": str(key)}
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    with serve({"pi0": echo}, door) as server:
        assert address(server).startswith("wss://")
        with OpenpiClient(address(server), ssl=context) as client:
            answer = client.infer({"state": np.arange(1_000_000, dtype=np.float32)})
            assert len(answer["actions"]) == 1_000_000
            with socket.create_connection(("127.0.0.1", port(server)), 20) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                plain.settimeout(20)
                with contextlib.suppress(ConnectionResetError):
                    while plain.recv(65536):
                        pass
            assert len(client.infer({"state": np.zeros(3, np.float32)})["actions"]) == 3
