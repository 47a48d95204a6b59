"""The client against a scripted server: what comes back, in what order, and what never does."""

from __future__ import annotations

import asyncio
import math
import os
import warnings

import numpy as np
import pytest
import zmq

from inferential_core import AsyncConnection, Connection, Status, UsageError
from inferential_core.client.session import ClientSession, ModelOptions
from inferential_core.clock import FakeClock
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import STATUS_TO_WIRE, parse_observation, response_writer

LONG_MS = 10_000  # a bound, not a delay


class ScriptedServer:
    """A ROUTER whose answers the test decides."""

    def __init__(self, address: str = "tcp://127.0.0.1:*") -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self.socket.bind(address)
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def receive(self):
        assert self.socket.poll(LONG_MS), "no observation came"
        identity, *frames = self.socket.recv_multipart()
        return identity, parse_observation(frames)

    def answer(self, identity, message, value=0.0, **changes):
        status = changes.pop("status", Status.OK)
        writer = response_writer(message.model_id)
        writer.message.client.id = message.client.id
        writer.message.status = STATUS_TO_WIRE[status]
        for name, said in {"request_id": message.request_id, **changes}.items():
            setattr(writer.message, name, said)
        values = {"actions": np.float32([value])} if status is Status.OK else {}
        self.socket.send_multipart([identity, *writer.frames(values)])

    def close(self):
        """Returns when nobody listens any more."""
        self.socket.close(0)
        self.context.term()


@pytest.fixture
def server():
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def connection(server):
    with Connection(server.address, client_id="robot") as connection:
        yield connection


def value(result) -> float:
    assert result is not None
    return float(result["actions"][0])


def test_sixteen_observations_in_flight_give_sixteen_results_in_order(server, connection):
    model = connection.model("policy")
    for index in range(16):
        model.observe(x=np.float32(index))
    received = [server.receive() for _ in range(16)]
    for index, (identity, message) in reversed(list(enumerate(received))):
        server.answer(identity, message, index)  # in the wrong order
    assert [value(model.get_result(LONG_MS)) for _ in range(16)] == list(range(16))


def test_a_result_tells_who_answered(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(3))
    server.answer(*server.receive(), response_id="r1", inference_latency_ms=2.5)
    result = model.get_result(LONG_MS)
    assert result["response_id"] == "r1"
    assert result["model_id"] == "policy"
    assert result["inference_latency_ms"] == 2.5


def test_none_comes_at_once_when_there_will_be_no_result(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(3))
    model.observe(x=np.zeros(3))
    server.answer(*server.receive(), status=Status.REJECTED, error="no")
    server.answer(*server.receive(), 5.0)
    assert model.get_result(LONG_MS) is None
    assert value(model.get_result(LONG_MS)) == 5.0


def test_the_full_story_of_a_refusal_is_one_call_away(server, connection):
    model = connection.model("policy")
    request_id = model.observe(x=np.zeros(3))
    server.answer(*server.receive(), status=Status.EXPIRED, error="too late", queue_ms=7.0)
    reply = model.get_reply(LONG_MS)
    assert (reply.request_id, reply.status, reply.error) == (request_id, "expired", "too late")
    assert reply.queue_ms == 7.0
    assert reply.result is None
    assert reply.round_trip_ms > 0


def test_a_superseded_observation_gives_way_to_its_successor(server, connection):
    model = connection.model("policy", supersede=True)
    model.observe(x=np.zeros(1))
    model.observe(x=np.ones(1))
    (identity, first), (_, second) = server.receive(), server.receive()
    assert second.supersede
    server.answer(identity, first, status=Status.SUPERSEDED)
    server.answer(identity, second, 2.0)
    assert value(model.get_result(LONG_MS)) == 2.0


def test_after_a_timeout_the_next_observation_abandons_the_late_one(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    late = server.receive()
    assert model.get_result(timeout_ms=1) is None
    model.observe(x=np.ones(1))
    server.answer(*late, 1.0)
    server.answer(*server.receive(), 2.0)
    assert value(model.get_result(LONG_MS)) == 2.0


def test_a_timeout_alone_abandons_nothing(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    assert model.get_result(timeout_ms=1) is None
    server.answer(*server.receive(), 1.0)
    assert value(model.get_result(LONG_MS)) == 1.0


def test_polling_with_no_time_abandons_nothing(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    assert model.get_result(timeout_ms=0) is None
    model.observe(x=np.ones(1))
    server.answer(*server.receive(), 1.0)
    server.answer(*server.receive(), 2.0)
    assert [value(model.get_result(LONG_MS)) for _ in range(2)] == [1.0, 2.0]


def test_nothing_of_an_earlier_epoch_comes_out(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    old = server.receive()
    assert model.reset() == 1
    model.observe(x=np.ones(1))
    new = server.receive()
    assert new[1].epoch == 1
    server.answer(*old, 1.0)
    server.answer(*new, 2.0)
    assert value(model.get_result(LONG_MS)) == 2.0


def test_a_reply_that_comes_twice_is_taken_once(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    model.observe(x=np.ones(1))
    first, second = server.receive(), server.receive()
    server.answer(*first, 1.0)
    server.answer(*first, 1.0)
    server.answer(*second, 2.0)
    assert [value(model.get_result(LONG_MS)) for _ in range(2)] == [1.0, 2.0]


def test_two_handles_do_not_take_each_others_replies(server, connection):
    one, two = connection.model("policy"), connection.model("policy")
    one.observe(x=np.zeros(1))
    two.observe(x=np.ones(1))
    first, second = server.receive(), server.receive()
    server.answer(*second, 2.0)
    assert value(two.get_result(LONG_MS)) == 2.0
    assert one.get_reply(0) is None
    server.answer(*first, 1.0)
    assert value(one.get_result(LONG_MS)) == 1.0


def test_a_published_server_is_understood_without_request_ids(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    identity, message = server.receive()
    server.answer(identity, message, 3.0, request_id=0)
    assert value(model.get_result(LONG_MS)) == 3.0


def test_garbage_from_the_server_is_ignored(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    identity, message = server.receive()
    server.socket.send_multipart([identity, b"", b"\xff\xff", b""])
    server.socket.send_multipart([identity, b"junk"])
    server.answer(identity, message, 3.0)
    assert value(model.get_result(LONG_MS)) == 3.0


def test_when_the_server_dies_what_is_in_flight_is_lost_at_once(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    server.receive()
    while not connection.connected:  # the news waits in the socket
        assert connection.wait(LONG_MS)
    server.close()
    reply = model.get_reply(LONG_MS)
    assert reply.status is Status.LOST
    assert not connection.connected


def test_a_server_that_comes_back_is_found_again(server):
    with Connection(server.address, client_id="robot", reconnect_ivl_ms=20) as connection:
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        server.receive()
        server.close()
        assert model.get_reply(LONG_MS).status is Status.LOST
        back = ScriptedServer(server.address)
        try:
            model.observe(x=np.ones(1))
            assert connection.wait(LONG_MS)
            while not connection.connected:
                assert connection.wait(LONG_MS)
            back.answer(*back.receive(), 4.0)
            assert value(model.get_result(LONG_MS)) == 4.0
        finally:
            back.close()


def test_a_reply_that_a_look_for_another_one_took_in_ends_the_next_wait(server):
    with Connection(server.address, client_id="robot") as connection:
        model, other = connection.model("policy"), connection.model("other")
        model.observe(x=np.zeros(1))
        server.answer(*server.receive(), 3.0)
        for _ in range(1_000_000):
            assert other.get_reply(timeout_ms=0) is None
            if (
                model._handle.pending[0].status is not Status.WAITING
            ):  # it is there, and nobody took it
                break
        assert connection.wait(LONG_MS)
        assert value(model.get_result(timeout_ms=0)) == 3.0


def test_an_observation_made_before_the_server_starts_is_answered():
    first = ScriptedServer()
    address = first.address
    first.close()
    with Connection(address, client_id="robot", reconnect_ivl_ms=20) as connection:
        model = connection.model("policy")
        model.observe(x=np.ones(1))
        assert model.get_result(timeout_ms=1) is None
        server = ScriptedServer(address)
        try:
            while not connection.connected:
                assert connection.wait(LONG_MS)
            server.answer(*server.receive(), 4.0)
            assert value(model.get_result(LONG_MS)) == 4.0
        finally:
            server.close()


def test_wake_ends_a_wait_from_another_thread(server, connection):
    import threading

    while not connection.connected:
        assert connection.wait(LONG_MS)
    thread = threading.Thread(target=connection.wake)
    thread.start()
    assert connection.wait(LONG_MS)
    thread.join()


def test_a_closed_connection_says_so(server):
    connection = Connection(server.address)
    model = connection.model("policy")
    connection.close()
    with pytest.raises(UsageError, match="closed"):
        model.observe(x=np.zeros(1))


def test_who_waits_in_vain_for_a_server_that_never_was_is_told_once(caplog):
    absent = ScriptedServer()
    absent.close()
    with Connection(absent.address) as connection:
        model = connection.model("policy")
        for _ in range(3):
            model.observe(x=np.zeros(1))
            assert model.get_result(timeout_ms=1) is None
    assert caplog.text.count("no server answers at") == 1


def test_without_a_timeout_it_waits_as_long_as_it_takes(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    server.answer(*server.receive(), 6.0)
    assert value(model.get_result(timeout_ms=None)) == 6.0


def test_close_returns_with_observations_in_flight_and_twice(server):
    connection = Connection(server.address)
    model = connection.model("policy")
    model.observe(image=np.zeros(1_000_000, np.uint8))
    connection.close()
    connection.close()


@pytest.mark.parametrize("timeout_ms", [float("nan"), "5", [1, 2]])
@pytest.mark.parametrize("ask", ["get_reply", "get_result", "specification"])
def test_a_timeout_that_is_no_number_is_told(connection, ask, timeout_ms):
    with pytest.raises(UsageError, match="timeout_ms must be a number of milliseconds"):
        getattr(connection.model("policy"), ask)(timeout_ms=timeout_ms)
    with pytest.raises(UsageError, match="timeout_ms"):
        connection.wait(timeout_ms)


@pytest.mark.parametrize("timeout_ms", [0, -1, -float("inf")])
def test_a_timeout_of_nothing_only_looks(connection, timeout_ms):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    assert model.get_reply(timeout_ms=timeout_ms) is None
    assert model.get_reply(timeout_ms=0.001).status is Status.WAITING  # it is not given up
    assert connection.wait(timeout_ms) in (True, False)


def test_a_forked_child_is_told_to_make_its_own_connection(server, connection):
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # nothing but the call under test: this is a copy of the whole test run
        try:
            model.get_reply(timeout_ms=0)
        except UsageError as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.close(write)
    with open(read) as told:
        assert "after fork" in told.read()
    os.waitpid(child, 0)
    server.answer(*server.receive(), 1.0)
    assert value(model.get_result(LONG_MS)) == 1.0


def test_every_request_says_what_the_handle_was_told(server, connection):
    model = connection.model("policy", latency_budget_ms=30.0, priority=0, control_period_ms=20.0)
    request_id = model.observe(urgency=0.5, steps_remaining=3, x=np.zeros(1), prompt="go")
    identity, message = server.receive()
    assert identity.startswith(b"robot.")  # of this connection alone
    assert message.client.id == "robot"
    assert message.urgency == 0.5
    assert message.steps_remaining == 3
    assert message.priority == 0
    assert message.latency_budget_ms == 30.0
    assert message.control_period_ms == 20.0
    assert message.metadata == {"prompt": "go"}
    assert message.request_id == request_id
    assert message.client_send_ns > 0


def test_urgency_beyond_its_range_is_clipped_with_a_warning(server, connection):
    model = connection.model("policy")
    with pytest.warns(UserWarning, match="clipped"):
        model.observe(urgency=3.0)
    assert server.receive()[1].urgency == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.observe(urgency=1.0)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"urgency": float("nan")}, "urgency"),
        ({"urgency": math.nan}, "urgency"),
        ({"steps_remaining": -1}, "steps_remaining"),
        ({"priority": -1}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"urgency": np.zeros(3)}, r"observe\(joints=...\)"),
        ({"urgency": "high"}, "urgency"),
    ],
)
def test_arguments_out_of_range_are_named(connection, options, name):
    with pytest.raises(UsageError, match=name):
        connection.model("policy").observe(**options)


def test_what_was_refused_is_not_said_by_the_next_observation(server, connection):
    model = connection.model("policy", priority=2)
    model.observe(urgency=0.5, steps_remaining=7, priority=1)
    with pytest.raises(UsageError):
        model.observe(urgency=0.9, steps_remaining=-1)
    model.observe(urgency=0.5)
    model.observe()
    model.observe()
    told = [server.receive()[1] for _ in range(4)]
    assert [each.urgency for each in told] == [0.5, 0.5, 0.0, 0.0]
    assert [each.HasField("steps_remaining") for each in told] == [True, False, False, False]
    assert [each.priority for each in told] == [1, 2, 2, 2]


@pytest.mark.parametrize(("given", "expected"), [(7, "7"), ("arm-1", "arm-1")])
def test_client_ids_are_strings_or_integers(given, expected):
    assert ClientSession(given, "", FakeClock()).client_id == expected


def test_an_empty_client_id_becomes_a_unique_one():
    ids = {ClientSession("", "", FakeClock()).client_id for _ in range(3)}
    assert len(ids) == 3 and "" not in ids


@pytest.mark.parametrize("server", ["tcp://", "localhost", "http://host:80", "tcp://host:port"])
def test_an_address_that_cannot_be_one_is_named(server):
    with pytest.raises(UsageError, match=server):
        Connection(server=server)


def test_an_impossible_client_id_is_refused():
    with pytest.raises(UsageError, match="255"):
        Connection(client_id="x" * 300)


def test_an_unanswered_observation_ends_lost_after_its_time():
    clock = FakeClock()
    session = ClientSession("robot", "", clock)
    handle = session.open("policy", ModelOptions(lost_after_ms=1000.0))
    request_id, _ = session.observe(handle, {})
    clock.advance(0.9)
    assert session.take(handle) is None
    clock.advance(0.2)
    reply = session.take(handle)
    assert (reply.request_id, reply.status) == (request_id, Status.LOST)
    answer = pb.ModelResponse(model_id="policy", request_id=request_id)
    session.feed([b"", answer.SerializeToString(), b""])
    assert session.take(handle) is None


def test_two_lives_of_a_client_do_not_share_request_ids():
    lives = [ClientSession("robot", "", FakeClock()) for _ in range(2)]
    handles = [session.open("policy", ModelOptions()) for session in lives]
    ids = [
        {session.observe(handle, {})[0] for _ in range(100)}
        for session, handle in zip(lives, handles)
    ]
    assert not ids[0] & ids[1]


def test_frames_go_one_by_one_only_after_the_server_showed_that_it_understands(server, connection):
    model = connection.model("policy")
    values = {"a": np.zeros(3), "b": np.ones(2)}
    model.observe(**values)
    identity, message = server.receive()
    assert [tensor.frame for tensor in message.tensors] == [0, 0]
    server.answer(identity, message)
    assert model.get_result(LONG_MS) is not None
    model.observe(**values)
    assert [tensor.frame for tensor in server.receive()[1].tensors] == [0, 1]


def test_the_asyncio_client_speaks_the_same(server):
    async def converse():
        loop = asyncio.get_running_loop()
        async with AsyncConnection(server.address, client_id=5) as connection:
            model = connection.model("policy", supersede=False)
            for index in range(4):
                await model.observe(x=np.float32(index))
            received = [await loop.run_in_executor(None, server.receive) for _ in range(4)]
            for index, (identity, message) in reversed(list(enumerate(received))):
                await loop.run_in_executor(None, server.answer, identity, message, index)
            results = [value(await model.get_result(LONG_MS)) for _ in range(4)]
            await model.observe(x=np.zeros(1))
            assert await model.get_result(timeout_ms=1) is None
            identity, message = await loop.run_in_executor(None, server.receive)
            server.answer(identity, message, status=Status.ERROR, error="broken")
            reply = await model.get_reply(LONG_MS)
            return results, reply

    results, reply = asyncio.run(converse())
    assert results == [0, 1, 2, 3]
    assert (reply.status, reply.error) == (Status.ERROR, "broken")
