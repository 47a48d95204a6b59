"""The door for GR00T clients: real REQ sockets, with the bytes of each release's client."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import msgpack
import numpy as np
import pytest
import zmq
from accounting import assert_balanced
from doors_rig import Gr00tClient, OpenpiClient, Starting, address, serve, wait_for

from inferential_core import Connection
from inferential_core.security.keyfiles import make_keys

CODECS = ["npy", "msgpack-numpy"]
TEXT = "annotation.human.task_description"


def act(obs):
    return {"action.arm": np.repeat(obs["state.arm"], 16, axis=0)}


class Batching:
    specification = {
        "notes": {"gr00t": {"video": {"delta_indices": [0], "modality_keys": ["ego"]}}}
    }

    def __init__(self):
        self.sizes = []
        self.seen = []

    def infer_batch(self, observations):
        self.sizes.append(len(observations))
        self.seen += observations
        return list(map(act, observations))


def nested(robots=1):
    return {
        "video": {"ego": np.zeros((robots, 1, 8, 8, 3), np.uint8)},
        "state": {"arm": np.arange(robots * 7, dtype=np.float32).reshape(robots, 1, 7)},
        "language": {TEXT: [["pick it up"]] * robots},
    }


@pytest.mark.parametrize("codec", CODECS)
def test_a_nested_observation_is_answered_in_the_codec_of_its_client(codec):
    model = Batching()
    with serve({"gr00t": model}, "gr00t") as server, Gr00tClient(server, codec=codec) as client:
        assert client.call("ping") == {"status": "ok", "message": "Server is running"}
        actions, info = client.act(nested())
        assert_balanced(server)
    assert (actions.keys(), info) == ({"arm"}, {})
    assert (actions["arm"].shape, actions["arm"].dtype) == ((1, 16, 7), np.float32)
    assert (actions["arm"][0, 3] == np.arange(7)).all()
    (obs,) = model.seen
    assert obs.keys() == {"video.ego", "state.arm", f"{TEXT}.0"}
    assert (obs["video.ego"].shape, obs["state.arm"].shape) == ((1, 8, 8, 3), (1, 7))
    assert obs[f"{TEXT}.0"] == "pick it up"


def test_the_flat_observation_of_n1_5_is_answered_with_a_map():
    model = Batching()
    flat = {
        "video.ego": np.zeros((1, 8, 8, 3), np.uint8),
        "state.arm": np.ones((1, 7), np.float32),
        TEXT: ["pick it up"],
    }
    with serve({"gr00t": model}, "gr00t") as server, Gr00tClient(server) as client:
        answer = client.call("get_action", flat)
    assert (answer.keys(), answer["action.arm"].shape) == ({"action.arm"}, (16, 7))
    assert model.seen[0].keys() == {"video.ego", "state.arm", f"{TEXT}.0"}


def test_the_flat_observation_of_a_simulation_is_answered_with_prefixed_actions():
    flat = {
        "video.ego": np.zeros((2, 1, 8, 8, 3), np.uint8),
        "state.arm": np.ones((2, 1, 7), np.float32),
        "task": ["one", "two"],
    }
    model = Batching()
    with serve({"gr00t": model}, "gr00t") as server, Gr00tClient(server) as client:
        actions, _ = client.act(flat)
    assert (actions.keys(), actions["action.arm"].shape) == ({"action.arm"}, (2, 16, 7))
    assert [obs["task"] for obs in model.seen] == ["one", "two"]


def test_several_robots_in_a_request_share_a_batch_and_are_joined_in_order():
    model = Batching()
    with serve({"gr00t": model}, "gr00t") as server, Gr00tClient(server) as client:
        actions, _ = client.act(nested(5))
        assert_balanced(server)
    assert actions["arm"].shape == (5, 16, 7)
    assert (actions["arm"][:, 0, 0] == [0, 7, 14, 21, 28]).all()
    assert sum(model.sizes) == 5


def test_options_tell_the_runway_the_name_and_the_model():
    models = {"gr00t": Batching(), "other": Batching()}
    options = {"client_id": "g1-1", "model": "other", "steps_remaining": 50, "horizon": 8}
    with serve(models, "gr00t") as server, Gr00tClient(server) as client:
        taken = []
        server.metrics.listen(lambda name, value, labels: taken.append((name, value)))
        client.act(nested(), {**options, "control_period_ms": 20})
        (found,) = server.status()["clients"]
    assert (found["id"], found["type"]) == ("g1-1", "via gr00t")
    assert models["other"].seen[0]["options.horizon"] == 8
    (runway,) = [value for name, value in taken if name == "runway_at_service_ms"]
    assert 900 < runway <= 1000


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"steps_remaining": 4}, "'options.steps_remaining' needs 'options.control_period_ms'"),
        ({"step_remaining": 4}, "'options.step_remaining' is misspelt: did you mean 'steps_rem"),
        ({"Model": "gr00t"}, "'options.Model' is misspelt: did you mean 'model'?"),
        ({"epoch": "4"}, "'options.epoch' must be a whole number, not str"),
    ],
)
def test_an_option_that_would_be_lost_is_refused(options, told):
    model = Batching()
    with serve({"gr00t": model}, "gr00t") as server, Gr00tClient(server) as client:
        assert told in client.act(nested(), options)["error"]
        assert client.act(nested(), {"steps_remaining": 0, "mode": 1})[0].keys() == {"arm"}
    assert model.seen[0]["options.mode"] == 1


def test_a_reset_begins_an_episode():
    epochs = []

    class Stateful:
        def infer(self, obs, context):
            epochs.append(context.first_of_episode)
            return act(obs)

    with serve({"gr00t": Stateful()}, "gr00t") as server, Gr00tClient(server) as client:
        client.act(nested())
        client.act(nested())
        assert client.call("reset", {"options": None}) == {}
        client.act(nested())
    assert epochs == [True, False, True]


def test_the_modality_configuration_is_that_of_the_specification():
    with serve({"gr00t": Batching()}, "gr00t") as server, Gr00tClient(server) as client:
        config = client.call("get_modality_config")["video"]
        assert config["__ModalityConfig_class__"] and config["__ModalityConfig__"]
        assert config["as_json"] == {"delta_indices": [0], "modality_keys": ["ego"]}
    with serve({"gr00t": act}, "gr00t") as server, Gr00tClient(server) as client:
        assert 'its notes a key "gr00t"' in client.call("get_modality_config")["error"]


def test_who_asks_while_the_model_starts_is_answered_once_it_has():
    dispatcher = Starting({"gr00t": Batching()})
    with serve({}, "gr00t", dispatcher=dispatcher) as server, Gr00tClient(server) as client:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(client.act, nested())
            wait_for(lambda: server.doors()[0]["clients"] == 1)
            assert not asking.done()
            dispatcher.let_start()
            assert asking.result(20)[0]["arm"].shape[:2] == (1, 16)


def test_who_waits_for_its_model_to_start_is_told_when_the_server_stops_instead():
    dispatcher = Starting({"gr00t": Batching()})
    with ThreadPoolExecutor(1) as pool:
        with serve({}, "gr00t", dispatcher=dispatcher) as server:
            client = Gr00tClient(server)
            asking = pool.submit(client.call, "get_action", {"observation": nested()})
            wait_for(lambda: server.doors()[0]["clients"] == 1)
        assert asking.result(20) == {"error": "DROPPED: the server stops"}
    client.close()


def test_nobody_can_stop_the_server():
    with serve({"gr00t": act}, "gr00t") as server, Gr00tClient(server) as client:
        assert client.call("kill")["error"].startswith("not allowed")
        assert client.act(nested())[0]["arm"].shape[:2] == (1, 16)


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ((b"\xc1",), "no MessagePack"),
        ((msgpack.packb(7),), "a map with an endpoint"),
        ((msgpack.packb({"endpoint": "get_action"}),), "needs a map of observations"),
        ((msgpack.packb({"endpoint": "burn"}),), "'burn' is unknown"),
        ((msgpack.packb({"data": {"observation": 7}}),), "must be a map"),
        ((msgpack.packb({"data": {"observation": {}, "options": 7}}),), "options must be a map"),
        ((msgpack.packb({"data": {"task": ["x"], "task.0": "y"}}),), "two values for 'task.0'"),
        ((b"one", b"two"), "one frame of MessagePack"),
    ],
)
def test_what_is_no_request_is_answered_with_an_error_and_the_socket_lives(frames, told):
    with serve({"gr00t": act}, "gr00t") as server, Gr00tClient(server) as client:
        assert told in client.read(client.raw(*frames))["error"]
        assert client.call("ping")["status"] == "ok"


def test_a_client_that_speaks_the_zeromq_of_2010_ends_nothing():
    request = msgpack.packb({"endpoint": "ping"})
    greeting, delimiter = b"\1\0", b"\1\1"  # ZMTP 1.0: no properties, so no address either
    with serve({"gr00t": Batching()}, "gr00t") as server, Gr00tClient(server) as client:
        where = ("127.0.0.1", int(address(server).rpartition(":")[2]))
        with socket.create_connection(where, 20) as old:
            old.sendall(greeting + delimiter + bytes([len(request) + 1, 0]) + request)
            answered = b""
            while b"Server is running" not in answered:
                answered += old.recv(4096)
        assert client.call("ping")["status"] == "ok"


def test_gr00t_n1_which_pickles_is_told_that_this_is_another_server():
    with serve({"gr00t": act}, "gr00t") as server, Gr00tClient(server) as client:
        assert client.raw(b"PK\x03\x04 and what torch.save writes") == b"ERROR"
        assert server.doors()[0]["errors"] == {"GR00T N1": 1}


def test_a_request_that_is_too_large_is_answered_as_well():
    with serve({"gr00t": act}, "gr00t", limits={"max_message_bytes": 10_000}) as server:
        with Gr00tClient(server) as client:
            told = client.call("get_action", {"state.arm": np.zeros((1, 3000), np.float32)})
            assert "limit 10000" in told["error"]
            assert client.act(nested())[0]["arm"].shape[:2] == (1, 16)
            assert server.doors()[0]["errors"] == {"too large": 1}


def test_robots_that_do_not_fit_together_are_refused():
    broken = nested(2)
    broken["state"]["arm"] = np.zeros((3, 1, 7), np.float32)
    with serve({"gr00t": act}, "gr00t") as server, Gr00tClient(server) as client:
        assert "as many of each" in client.act(broken)["error"]
        assert_balanced(server)


def test_a_request_that_the_model_cannot_answer_is_told_why():
    def fail(obs):
        raise ValueError("no arm")

    with serve({"gr00t": fail}, "gr00t") as server, Gr00tClient(server) as client:
        assert client.act(nested())["error"].startswith("ERROR: ValueError: no arm")


def test_a_second_request_of_a_socket_that_can_send_one_is_answered_too(gate):
    with serve({"gr00t": gate(Batching())}, "gr00t") as server:
        context = zmq.Context()
        with context.socket(zmq.DEALER) as dealer, Gr00tClient(server) as packer:
            dealer.setsockopt(zmq.RCVTIMEO, 20_000)
            dealer.connect(address(server))
            body = msgpack.packb(
                {"data": {"observation": nested(), "options": None}}, default=packer._array
            )
            dealer.send_multipart([b"", body])
            gate.wait_until_busy()
            dealer.send_multipart([b"", body])
            assert b"the request before this one waits" in dealer.recv_multipart()[1]
            gate.open()
            assert b"arm" in dealer.recv_multipart()[1]
        context.term()


def test_a_socket_that_numbers_its_requests_is_answered_with_the_number():
    with serve({"gr00t": Batching()}, "gr00t") as server, Gr00tClient(server) as client:
        client.socket.setsockopt(zmq.REQ_RELAXED, 1)
        client.socket.setsockopt(zmq.REQ_CORRELATE, 1)
        for _ in range(3):
            assert client.act(nested())[0]["arm"].shape[:2] == (1, 16)
        client.send(msgpack.packb({"endpoint": "kill"}))  # it waits for no answer, and goes on
        assert client.call("ping")["status"] == "ok"
        assert server.doors()[0]["clients"] == 1
        assert server.doors()[0]["errors"] == {}


def test_clients_behind_a_proxy_of_zeromq_are_told_apart():
    context = zmq.Context()
    front, back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    with serve({"gr00t": Batching()}, "gr00t") as server:
        behind = f"tcp://127.0.0.1:{front.bind_to_random_port('tcp://127.0.0.1')}"
        back.connect(address(server))
        proxy = threading.Thread(target=forward, args=(front, back))
        proxy.start()
        with Gr00tClient(server, url=behind) as one, Gr00tClient(server, url=behind) as two:
            one.send(one.pack(nested()))
            two.send(two.pack(nested()))
            for client in (one, two):
                assert client.receive()[0]["arm"].shape[:2] == (1, 16)
            assert server.doors()[0]["clients"] == 2
        context.destroy(0)
        proxy.join()


def forward(front, back):
    with contextlib.suppress(zmq.ContextTerminated, zmq.ZMQError):
        zmq.proxy(front, back)


def test_a_client_that_is_silent_for_very_long_is_forgotten(monkeypatch):
    from inferential_core.doors.gr00t import door

    monkeypatch.setattr(door, "_FORGOTTEN_S", 0.0)
    with serve({"gr00t": Batching()}, "gr00t") as server, Gr00tClient(server) as gone:
        assert gone.act(nested())
        with Gr00tClient(server) as other:
            assert other.act(nested())
            assert server.doors()[0]["clients"] == 1
            assert gone.act(nested())[0]["arm"].shape[:2] == (1, 16)


def test_a_server_that_stops_answers_who_waits(gate):
    with serve({"gr00t": gate(Batching())}, "gr00t") as server, Gr00tClient(server) as client:
        body = {"endpoint": "get_action", "data": {"observation": nested(), "options": None}}
        client.send(msgpack.packb(body, default=client._array))
        gate.wait_until_busy()
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert client.receive() == {"error": "DROPPED: the server stops"}
        gate.open()
        stopping.join()


def test_a_token_is_checked_with_each_request(tmp_path):
    make_keys(tmp_path, "server")
    digest = hashlib.sha256(b"secret").hexdigest()
    (tmp_path / "authorized.yaml").write_text(f"arm:\n  token_sha256: {digest}\n")
    with serve({"gr00t": act}, "gr00t", security={"keys": str(tmp_path)}) as server:
        with Gr00tClient(server, token="secret") as client:
            assert client.act(nested())[0]["arm"].shape[:2] == (1, 16)
            client._token = "other"
            assert client.act(nested()) == {"error": "Unauthorized: Invalid API token"}
        with Gr00tClient(server) as client:
            assert client.call("ping") == {"error": "Unauthorized: Invalid API token"}
        assert [each["id"] for each in server.status()["clients"]] == ["arm"]


def test_clients_of_every_door_and_of_the_socket_share_a_batch(gate):
    model = Batching()
    state = np.ones((1, 7), np.float32)
    with serve({"gr00t": gate(model)}, "openpi", "gr00t") as server:
        with (
            OpenpiClient(address(server, 0)) as first,
            Gr00tClient(server, 1) as second,
            Connection(server.address) as connection,
        ):
            ours = connection.model("gr00t")
            ours.observe(**{"state.arm": state})
            gate.wait_until_busy()
            first.send(first.pack({"state.arm": 2 * state}))
            body = {"data": {"state.arm": 3 * state}}
            second.send(msgpack.packb(body, default=second._array))
            ours.observe(**{"state.arm": 4 * state})
            wait_for(lambda: server.status()["queued"] == 3)
            gate.open()
            assert first.receive()["action"]["arm"][0, 0] == 2
            assert second.receive()["action.arm"][0, 0] == 3
            answers = [ours.get_result(20_000)["action.arm"][0, 0] for _ in "ab"]
        assert_balanced(server)
    assert answers == [1, 4]
    assert model.sizes == [1, 3]
