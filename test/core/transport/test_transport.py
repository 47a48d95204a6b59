"""Both transports keep the same promises."""

from __future__ import annotations

import select
import threading

import pytest
import zmq

from inferential_core.errors import ConfigError
from inferential_core.transport.memory import MemoryTransport
from inferential_core.transport.zmq_router import ZmqRouter

LONG_S = 10.0


class MemoryPair:
    def __init__(self):
        self.transport = MemoryTransport()

    def client(self, identity):
        return self.transport.peer(identity)

    def receive(self, client):
        return client.receive()

    def close(self):
        self.transport.close()


class ZmqClient:
    def __init__(self, context, address, identity):
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, identity)
        self.socket.connect(address)

    def send(self, frames):
        self.socket.send_multipart(frames)

    def receive(self):
        assert self.socket.poll(1000 * LONG_S)
        return self.socket.recv_multipart()

    def close(self):
        self.socket.close(0)


class ZmqPair:
    def __init__(self):
        self.transport = ZmqRouter("tcp://127.0.0.1:0")
        self.context = zmq.Context()
        self.clients = []

    def client(self, identity):
        self.clients.append(ZmqClient(self.context, self.transport.address, identity))
        return self.clients[-1]

    def close(self):
        for client in self.clients:
            client.close()
        self.context.term()
        self.transport.close()


@pytest.fixture(params=[MemoryPair, ZmqPair], ids=["memory", "zmq"])
def pair(request):
    pair = request.param()
    yield pair
    pair.close()


def receive(transport):
    while (message := transport.receive()) is None:
        transport.wait(LONG_S)
    return message


def test_a_message_arrives_with_the_identity_of_its_sender(pair):
    pair.client(b"a").send([b"", b"envelope", b"payload", b"more"])
    identity, frames = receive(pair.transport)
    assert identity == b"a"
    assert [bytes(frame) for frame in frames] == [b"", b"envelope", b"payload", b"more"]


def test_a_reply_reaches_the_one_it_is_for(pair):
    a, b = pair.client(b"a"), pair.client(b"b")
    a.send([b"", b"1"])
    b.send([b"", b"2"])
    for _ in range(2):
        identity, frames = receive(pair.transport)
        assert pair.transport.send(identity, [b"", bytes(frames[1]) * 2])
    assert a.receive() == [b"", b"11"]
    assert b.receive() == [b"", b"22"]


def test_sending_to_somebody_unknown_is_refused_and_harmless(pair):
    assert not pair.transport.send(b"nobody", [b"", b"x"])
    pair.client(b"a").send([b"", b"1"])
    assert receive(pair.transport)[0] == b"a"


def test_nothing_to_receive_is_none(pair):
    assert pair.transport.receive() is None


def test_a_descriptor_that_tells_of_no_message_brings_none_and_hides_none():
    pair = ZmqPair()
    try:
        pair.transport.noticed()
        assert pair.transport.receive() is None
        assert not pair.transport.unattended()
        pair.client(b"robot").send([b"", b"state"])
        identity, frames = receive(pair.transport)
        assert (identity, [bytes(frame) for frame in frames]) == (b"robot", [b"", b"state"])
    finally:
        pair.close()


def test_a_message_behind_one_that_was_received_at_once_is_told_too():
    pair = ZmqPair()
    try:
        robot = pair.client(b"robot")
        robot.send([b"", b"first"])
        receive(pair.transport)
        pair.transport.noticed()
        assert not pair.transport.unattended()  # its descriptor was readable for nothing
        robot.send([b"", b"second"])
        assert select.select([pair.transport.fileno()], [], [], LONG_S)[0]
        assert pair.transport.receive() is not None
        assert not pair.transport.unattended()
        robot.send([b"", b"third"])
        assert select.select([pair.transport.fileno()], [], [], LONG_S)[0]
        assert bytes(receive(pair.transport)[1][1]) == b"third"
    finally:
        pair.close()


def test_wake_from_another_thread_ends_a_wait_without_a_timeout(pair):
    thread = threading.Thread(target=pair.transport.wake)
    thread.start()
    pair.transport.wait(None)
    thread.join()


def test_a_wake_before_the_wait_is_not_lost(pair):
    pair.transport.wake()
    pair.transport.wait(None)


def test_of_a_message_of_countless_frames_nothing_is_kept_and_the_next_one_arrives():
    pair = ZmqPair()
    client = pair.client(b"a")
    client.send([b"", b"e", *[b""] * 1022])
    client.send([b"", b"e", *[b""] * 1023])
    client.send([b"", b"next"])
    assert [len(receive(pair.transport)[1]) for _ in range(3)] == [1024, 0, 2]
    pair.close()


def test_a_large_message_crosses_unchanged(pair):
    data = bytes(range(256)) * 8192
    client = pair.client(b"a")
    client.send([b"", b"e", data])
    identity, frames = receive(pair.transport)
    assert bytes(frames[2]) == data
    assert pair.transport.send(identity, [b"", b"e", frames[2]])
    assert client.receive()[2] == data


def test_an_address_that_cannot_be_bound_is_named():
    with pytest.raises(ConfigError, match="tcp://nowhere.invalid:1"):
        ZmqRouter("tcp://nowhere.invalid:1")
    with pytest.raises(ConfigError, match="nonsense"):
        ZmqRouter("nonsense")
    with pytest.raises(ConfigError, match="no port 99999: the highest one is 65535"):
        ZmqRouter("tcp://127.0.0.1:99999")  # which libzmq would take for 34463


def test_a_client_that_never_reads_costs_bounded_memory():
    transport = ZmqRouter("tcp://127.0.0.1:0", send_hwm=10)
    context = zmq.Context()
    client = context.socket(zmq.DEALER)
    client.setsockopt(zmq.IDENTITY, b"deaf")
    client.setsockopt(zmq.RCVHWM, 1)
    client.setsockopt(zmq.RCVBUF, 4096)
    client.connect(transport.address)
    client.send_multipart([b"", b"hello"])
    receive(transport)
    taken = 0
    while transport.send(b"deaf", [b"", bytes(100_000)]):
        taken += 1
        assert taken < 1000, "replies pile up"
    client.close(0)
    context.term()
    transport.close()
