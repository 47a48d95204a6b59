"""What every door has in common, tried with one that is written outside of the package."""

from __future__ import annotations

import hashlib
import json
import queue
import socket
import threading

import numpy as np
import pytest
from accounting import assert_balanced
from doors_rig import JsonLinesClient, address, serve, wait_for
from house import House

from inferential_core import ConfigError, Connection
from inferential_core.cli import main, top
from inferential_core.metrics.prometheus import exposition
from inferential_core.security.keyfiles import make_keys
from inferential_core.web.view import Fleet
from inferential_core.wire.messages import ObservationHeader, encode_observation

OUTSIDE = {"kind": "json_lines_door:JsonLines"}


def double(obs):
    return {"actions": 2 * obs["x"]}


class Batching:
    def __init__(self) -> None:
        self.sizes = []

    def infer_batch(self, observations):
        self.sizes.append(len(observations))
        return [double(each) for each in observations]


def test_a_door_written_outside_the_package_serves_its_clients():
    with serve({"policy": double}, OUTSIDE) as server, JsonLinesClient(server) as client:
        assert client.ask(state=[1, 2]) == {"actions": [2, 4]}
        assert client.ask(state=[3]) == {"actions": [6]}
        status = assert_balanced(server)
    assert (status["received"], status["ok"]) == (2, 2)


def test_its_clients_stand_beside_all_others_in_the_status():
    with serve({"policy": double}, OUTSIDE) as server, JsonLinesClient(server) as client:
        client.ask(state=[1])
        with Connection(server.address, client_id="ours") as connection:
            model = connection.model("policy")
            model.observe(x=np.float32([1]))
            model.get_result(20_000)
            found = {each["id"]: each for each in server.status()["clients"]}
    assert found["json lines-127.0.0.1-1"]["type"] == "via json lines"
    assert found["json lines-127.0.0.1-1"]["door"] == "json lines"
    assert (found["ours"]["door"], found["ours"]["type"]) == ("", "")


def test_a_client_that_leaves_is_gone_at_once():
    with serve({"policy": double}, OUTSIDE) as server:
        with JsonLinesClient(server) as client:
            client.ask(state=[1])
            assert server.doors()[0]["clients"] == 1
        wait_for(lambda: not server.status()["clients"][0]["connected"])
        assert server.doors()[0]["clients"] == 0


def test_who_tells_no_runway_is_late_only_against_the_budget_of_its_door():
    # Its cadence is made by our answers, so that half of them would be late against that.
    with serve({"policy": double}, OUTSIDE) as server, JsonLinesClient(server) as client:
        for _ in range(30):
            client.ask(state=[1])
        (found,) = server.status()["clients"]
    assert (found["deadline_hits"], found["deadline_misses"]) == (30, 0)


def test_the_page_and_top_say_that_it_asks_when_dry_and_by_which_door():
    named = {**OUTSIDE, "clients": {"127.0.0.1": "arm"}}
    with serve({"policy": double}, named) as server, JsonLinesClient(server) as client:
        client.ask(state=[1])
        frame = json.loads(Fleet(server).frame())
        (row,) = (dict(zip(frame["columns"], each)) for each in frame["rows"])
        assert (row["asks_when_dry"], row["runway_ms"], row["type"]) == (
            True,
            None,
            "via json lines",
        )
        cells = top._client(Fleet(server).status()["clients"][0])
        assert ("arm via json lines" in cells) and ("when dry" in cells)
        client.ask(state=[1], left=10)
        assert not server.status()["clients"][0]["asks_when_dry"]


def test_a_missed_budget_of_the_door_is_late():
    door = {**OUTSIDE, "latency_budget_ms": 0.001}
    with serve({"policy": double}, door) as server, JsonLinesClient(server) as client:
        client.ask(state=[1])
        (found,) = server.status()["clients"]
    assert (found["deadline_hits"], found["deadline_misses"]) == (0, 1)


def test_what_the_pipeline_refuses_is_told_in_its_words():
    with serve({"policy": double}, OUTSIDE, clients={"accept_unknown": False}) as server:
        with JsonLinesClient(server) as client:
            assert "is not among the known clients" in client.ask(state=[1])["refused"]
        status = assert_balanced(server)
    assert (status["received"], status["rejected"]) == (1, 1)


def test_a_model_that_is_unknown_is_told_with_what_it_may_have_been():
    with serve({"policy": double}, OUTSIDE) as server, JsonLinesClient(server) as client:
        refused = client.ask(state=[1], model="polic")["refused"]
        assert refused == "model 'polic' is unknown: did you mean 'policy'?"
        assert server.doors()[0]["errors"] == {"refused": 1}


@pytest.mark.parametrize(
    ("door", "asked", "expected"),
    [
        ({}, {}, "several models: name one of a, b"),
        ({"model": "b"}, {}, [2.0]),
        ({"model": "b"}, {"model": "a"}, [1.0]),
        ({"models": {"user/act": "a"}}, {"model": "user/act"}, [1.0]),
    ],
)
def test_the_model_is_the_one_named_else_that_of_the_door_else_the_only_one(door, asked, expected):
    models = {"a": lambda obs: {"actions": obs["x"]}, "b": double}
    with serve(models, {**OUTSIDE, **door}) as server, JsonLinesClient(server) as client:
        answer = client.ask(state=[1], **asked)
    if isinstance(expected, str):
        assert expected in answer["refused"]
    else:
        assert answer["actions"] == expected


def test_what_doors_refuse_is_in_prometheus_and_in_the_words_of_status(capsys):
    with serve({"policy": double}, OUTSIDE, OUTSIDE, http={"bind": "127.0.0.1:0"}) as server:
        with JsonLinesClient(server, 0) as first, JsonLinesClient(server, 1) as second:
            first.ask(state=[1])
            for client in (first, second):
                client.ask(state=[1], model="polic")
            wait_for(lambda: sum(each["clients"] for each in server.doors()) == 0)
            lines = exposition(server).decode().splitlines()
            main(["status", "--server", server.page])
    assert 'inferential_door_errors_total{door="json lines",reason="refused"} 2.0' in lines
    assert 'inferential_door_clients{door="json lines"} 0.0' in lines
    told = capsys.readouterr().out
    assert f"door json lines at {address(server)}: clients: 0; refused: 1 refused" in told


@pytest.mark.parametrize("said", [{"left": -3}, {"left": 0.5}, {"junk": 1}])
def test_a_door_outside_the_package_refuses_what_cannot_be_asked(said):
    with serve({"policy": double}, OUTSIDE) as server, JsonLinesClient(server) as client:
        refused = client.ask(**{"state": [1], **said} if "left" in said else said)["refused"]
        assert server.doors()[0]["errors"] == {"refused": 1}
    assert ("steps_remaining is a whole number from 0" in refused) == ("left" in said)


def test_who_waited_through_its_patience_hears_for_how_long(gate):
    heard = queue.Queue()
    ttl = {"request_ttl_ms": 20}
    with serve({"policy": gate(Batching())}, OUTSIDE, scheduling=ttl) as server:
        reception = server._parts.doors[0].reception
        first, second = reception.enter("10.0.0.1"), reception.enter("10.0.0.2")
        first.ask("policy", {"x": np.float32([1])}, lambda reply: None)
        gate.wait_until_busy()
        for patience_s in (0.1, 0.0):
            second.ask("policy", {"x": np.float32([1])}, heard.put, patience_s=patience_s)
        refusals = [heard.get(timeout=20).refusal for _ in "ab"]
        gate.open()
        assert server.status()["expired"] > 2
    (patient,) = (each for each in refusals if "each time" in each)
    assert patient == "EXPIRED: waited 0 s in the queue, where it expired each time"


def test_clients_of_doors_and_of_the_socket_share_a_batch(gate):
    model = Batching()
    with serve({"policy": gate(model)}, OUTSIDE, OUTSIDE) as server:
        with (
            JsonLinesClient(server, 0) as first,
            JsonLinesClient(server, 1) as second,
            Connection(server.address) as connection,
        ):
            ours = connection.model("policy")
            ours.observe(x=np.float32([0]))
            gate.wait_until_busy()
            answers = []
            threads = [
                threading.Thread(target=lambda c=c, n=n: answers.append(c.ask(state=[n])))
                for n, c in enumerate((first, second), 1)
            ]
            for thread in threads:
                thread.start()
            ours.observe(x=np.float32([3]))
            wait_for(lambda: server.status()["queued"] == 3)
            gate.open()
            for thread in threads:
                thread.join()
            assert [float(ours.get_result(20_000)["actions"][0]) for _ in "ab"] == [0, 6]
        assert_balanced(server)
    assert sorted(answer["actions"][0] for answer in answers) == [2, 4]
    assert model.sizes == [1, 3]


def test_a_port_that_is_taken_is_told_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        server = serve({"policy": double}, {"kind": "openpi", "bind": where})
        with pytest.raises(
            ConfigError, match="another program listens there. Give the door another"
        ):
            server.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = f"127.0.0.1:{free.getsockname()[1]}"
    door = {"kind": "openpi", "bind": where}
    server = serve({"policy": double}, door, transport={"bind": f"tcp://{where}"})
    with pytest.raises(ConfigError, match="this server's own clients connect there"):
        server.start()


def test_a_port_that_another_door_of_the_server_has_is_told():
    with socket.create_server(("127.0.0.1", 0)) as free:
        door = {"kind": "openpi", "bind": f"127.0.0.1:{free.getsockname()[1]}"}
    with pytest.raises(ConfigError, match="taken: another door of this server listens there"):
        serve({"policy": double}, door, door).start()


def test_a_server_whose_door_cannot_open_gives_its_other_ports_back():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            first = f"127.0.0.1:{free.getsockname()[1]}"
        doors = ({"kind": "openpi", "bind": first}, {"kind": "openpi", "bind": where})
        with pytest.raises(ConfigError):
            serve({"policy": double}, *doors).start()
    with serve({"policy": double}, {"kind": "openpi", "bind": first}) as server:
        assert address(server) == f"ws://{first}"


@pytest.mark.parametrize(
    ("door", "sections", "told"),
    [
        ({"kind": "openp"}, {}, "did you mean 'openpi'?"),
        ({"kind": "nowhere:Door"}, {}, "needs the module nowhere"),
        ({"kind": "json_lines_door:Nothing"}, {}, "json_lines_door has no Nothing"),
        ({"kind": "json:loads"}, {}, "is no inferential_core.doors.Door"),
        ({"kind": "openpi", "bind": "0.0.0.0:0"}, {}, "by clients without a token"),
        ({**OUTSIDE, "bind": "0.0.0.0:0"}, {}, "this protocol has no encryption"),
        ({**OUTSIDE, "certificate": "x"}, {}, "is never encrypted"),
    ],
)
def test_a_door_that_cannot_be_is_told_with_the_fix(door, sections, told):
    with pytest.raises(ConfigError, match=told.replace("?", r"\?")):
        serve({"policy": double}, door, **sections).start()


def test_a_door_to_a_model_that_is_not_served_is_warned_of(caplog):
    with serve({"policy": double}, {"kind": "openpi", "model": "polcy"}):
        assert "door 'openpi': model 'polcy' is not served: did you mean 'policy'" in caplog.text


def test_an_identity_is_warned_of_where_the_server_has_no_keys(caplog, tmp_path, capsys):
    told = "door 'openpi': identity 'arm' grants and forbids nothing, as this server has no keys"
    with serve({"policy": double}, {"kind": "openpi", "identity": "arm"}):
        assert told in caplog.text
    file = tmp_path / "server.yaml"
    file.write_text("doors:\n- {kind: openpi, bind: '127.0.0.1:0', identity: arm}\n")
    assert main(["config", "check", str(file)]) == 0
    assert told in capsys.readouterr().err


def test_a_door_beyond_loopback_is_open_to_all_only_where_that_is_said():
    door = {"kind": "openpi", "bind": "0.0.0.0:0"}
    with serve({"policy": double}, door, security={"allow_insecure": True}) as server:
        assert address(server).startswith("ws://0.0.0.0:")


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path, "server")
    token = hashlib.sha256(b"secret").hexdigest()
    (tmp_path / "authorized.yaml").write_text(
        f"arm:\n  token_sha256: {token}\n  clients: [arm-7]\n  models: [policy]\n"
    )
    return tmp_path


def test_a_token_stands_for_the_identity_that_has_it(keys):
    models = {"policy": double, "other": double}
    with serve(models, OUTSIDE, security={"keys": str(keys)}) as server:
        with JsonLinesClient(server) as client:
            assert client.ask(state=[1], token="secret", model="policy") == {"actions": [2]}
            refused = client.ask(state=[1], model="other")["refused"]
            assert refused == "REJECTED: the key of 'arm' may ask policy, not 'other'"
        (found,) = server.status()["clients"]
        assert found["id"] == "arm-7"
        assert server.status()["security"]["identities"] == 1


def test_a_wrong_token_is_counted_and_waits_longer_each_time(keys):
    with serve({"policy": double}, OUTSIDE, security={"keys": str(keys)}) as server:
        credentials = server._parts.doors[0].reception.credentials
        delays = []
        for token in ("", "guess", "another"):
            with JsonLinesClient(server) as client:
                assert "with a token of its own" in client.ask(state=[1], token=token)["refused"]
            delays.append(credentials.delay("127.0.0.1"))
        assert delays == [0.5, 1.0, 2.0]
        with JsonLinesClient(server) as client:
            client.ask(state=[1], token="secret")
        assert credentials.delay("127.0.0.1") == 0.0
        refused = server.status()["security"]
    assert refused["handshakes_by_reason"] == {"no token": 1, "unknown token": 2}


def test_a_token_that_is_revoked_while_its_client_is_there_holds_no_longer(keys):
    with serve({"policy": double}, OUTSIDE, security={"keys": str(keys)}) as server:
        with JsonLinesClient(server) as client:
            assert client.ask(state=[1], token="secret") == {"actions": [2]}
            file = keys / "authorized.yaml"
            file.write_text(file.read_text() + "  revoked: true\n")
            server.reload_rights()
            assert client.ask(state=[1])["refused"] == "REJECTED: the key of 'arm' is revoked"


def test_clients_without_a_token_have_the_rights_of_the_identity_that_is_named(keys):
    door = {**OUTSIDE, "identity": "arm"}
    with serve({"policy": double}, door, security={"keys": str(keys)}) as server:
        with JsonLinesClient(server) as client:
            assert client.ask(state=[1]) == {"actions": [2]}
    door = {**OUTSIDE, "identity": "arn"}
    with pytest.raises(ConfigError, match="nobody is called that"):
        serve({"policy": double}, door, security={"keys": str(keys)}).start()


@pytest.mark.parametrize(
    ("told", "due_s", "assumed"),
    [
        ({}, 0.2, True),  # it gives way to deadlines that somebody stated
        ({"latency_budget_ms": 90.0}, 0.09, False),
        ({"steps_remaining": 5, "control_period_ms": 100.0}, 0.5, False),
    ],
)
def test_when_an_answer_is_due_to_who_comes_by_a_door(told, due_s, assumed):
    house = House()
    for number in (1, 2, 3, 4):  # so often that its cadence would be sooner
        header = ObservationHeader("arm", "policy", request_id=number, **told)
        house.pipeline.on_message(b"arm", encode_observation(header, {}), "", "openpi")
        house.settle()
        request = house.dispatcher.batches[-1].requests[-1]
        assert request.deadline - house.clock.now() == pytest.approx(due_s)
        assert request.deadline_is_assumed is assumed
        house.complete()
        house.pass_time(0.01)
