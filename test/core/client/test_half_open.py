"""A server that is there but does not breathe: frozen, or behind a link that was cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from inferential_core import Connection, Status

LONG_MS = 20_000
SERVER = """
import threading
from inferential_core import LocalDispatcher, Server
models = LocalDispatcher({"policy": lambda obs: obs})
with Server("tcp://127.0.0.1:0", dispatcher=models) as server:
    print(server.address, flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def server():
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    process.address = process.stdout.readline().strip()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_frozen_server_is_found_dead_by_heartbeats_and_alive_again_when_it_thaws(server):
    with Connection(server.address, reconnect_ivl_ms=20, heartbeat_ms=50) as connection:
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None
        server.send_signal(signal.SIGSTOP)
        os.waitpid(server.pid, os.WUNTRACED)  # until it has stopped
        model.observe(x=np.ones(1))
        reply = model.get_reply(LONG_MS)
        assert reply.status is Status.LOST
        assert not connection.connected
        server.send_signal(signal.SIGCONT)
        while not connection.connected:
            assert connection.wait(LONG_MS)
        model.observe(x=np.full(1, 2.0))
        assert model.get_result(LONG_MS)["x"][0] == 2


def test_a_client_that_reads_late_keeps_its_link(server):
    """More replies than ZeroMQ queues by default: then no heartbeat could be read any more.

    The link would be given up, and libzmq 4.3.5 may even end the process (its issue 4364).
    """
    with Connection(server.address, heartbeat_ms=50) as connection:
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None
        for number in range(3000):
            model.observe(x=np.zeros(1))
            if number % 100 == 0:
                threading.Event().wait(0.03)  # what is sent faster than it leaves is given up
        threading.Event().wait(0.5)  # ten heartbeats
        replies = [model.get_reply(LONG_MS) for _ in range(3000)]
        assert connection.connected
        assert not [reply.error for reply in replies if "went down" in reply.error]
