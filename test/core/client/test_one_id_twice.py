"""Two robots under one client id: nobody's server ends, and whoever understands it is told."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zmq

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.wire.messages import ObservationHeader, encode_observation

LONG_MS = 20_000
CONFIG = InferentialConfig(transport={"heartbeat_ms": 200})
SERVER = """
import threading
from inferential_core import InferentialConfig, LocalDispatcher, Server
config = InferentialConfig(transport={"heartbeat_ms": 200})
models = LocalDispatcher({"policy": lambda obs: obs})
with Server("tcp://127.0.0.1:0", config=config, dispatcher=models) as server:
    print(server.address, flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def server() -> Iterator[Any]:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.address = process.stdout.readline().strip()  # type: ignore[attr-defined]
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_routing_id_that_goes_to_and_fro_does_not_end_the_server(server: Any) -> None:
    """As two published clients with one id do: the links of both break again and again."""
    context = zmq.Context()
    peers = []
    for _ in range(2):
        peer = context.socket(zmq.DEALER)
        for option, value in (
            (zmq.IDENTITY, b"robot"),
            (zmq.LINGER, 0),
            (zmq.RECONNECT_IVL, 10),
            (zmq.HEARTBEAT_IVL, 50),
            (zmq.HEARTBEAT_TIMEOUT, 100),  # before the server's could
        ):
            peer.setsockopt(option, value)
        peer.connect(server.address)
        peers.append(peer)
    header = ObservationHeader(client_id="robot", model_id="policy")
    message = [bytes(f) for f in encode_observation(header, {"x": np.zeros(1)})]
    changes, last = 0, None
    end = time.monotonic() + LONG_MS / 1000
    try:
        while changes < 20:
            assert server.poll() is None, "the server ended"
            assert time.monotonic() < end
            for peer in peers:
                if peer.poll(0, zmq.POLLOUT):
                    peer.send_multipart(message)
                if peer.poll(5):
                    peer.recv_multipart()
                    changes += peer is not last
                    last = peer
    finally:
        context.destroy(0)


def test_two_connections_with_one_id_keep_their_links_and_are_told() -> None:
    dispatcher = LocalDispatcher({"policy": lambda obs: obs})
    with (
        Server("tcp://127.0.0.1:0", config=CONFIG, dispatcher=dispatcher) as server,
        Connection(server.address, client_id="robot", heartbeat_ms=50) as one,
        Connection(server.address, client_id="robot", heartbeat_ms=50) as other,
    ):
        models = one.model("policy"), other.model("policy")
        for _ in range(4):
            replies = []
            for number, model in enumerate(models):
                model.observe(x=np.full(1, number))
                replies.append(model.get_reply(LONG_MS))
        for reply in replies:
            assert reply is not None and reply.status is Status.REJECTED
            assert reply.error == "another robot uses the client id 'robot', too"
        assert one.connected and other.connected
