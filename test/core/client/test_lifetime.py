"""Whose a connection is, what of it is left behind, and what an interrupt costs."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from inferential_core import Connection, LocalDispatcher, Server, Status, UsageError
from inferential_core.client.link_state import Event

LONG_MS = 10_000
INTERRUPTED = Path(__file__).parent / "interrupted.py"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"m": lambda it: it})) as server:
        yield server


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def run_elsewhere(work: Callable[[], object]) -> list[BaseException]:
    """What `work` raises in a thread of its own, which then has ended."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="second")
    thread.start()
    thread.join()
    return errors


def test_a_connection_that_nobody_closes_is_closed_when_nothing_refers_to_it(
    server: Server,
) -> None:
    Connection(server.address).close()  # whatever is loaded once is loaded now
    gc.collect()
    before = descriptors()
    for _ in range(5):
        model = Connection(server.address).model("m")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None
        model.observe(x=np.zeros(1))
    del model
    gc.collect()
    assert descriptors() == before


def test_a_connection_to_nobody_is_closed_as_well() -> None:
    Connection("tcp://127.0.0.1:1").close()
    before = descriptors()
    connection = Connection("tcp://127.0.0.1:1")
    connection.model("m").observe(x=np.zeros(1000))
    del connection
    gc.collect()
    assert descriptors() == before


def test_an_address_that_cannot_be_used_leaves_nothing_behind() -> None:
    before = descriptors()
    with pytest.raises(UsageError):
        Connection("no such thing://")
    with pytest.raises(UsageError, match="no port 99999: the highest one is 65535"):
        Connection("tcp://127.0.0.1:99999")
    gc.collect()
    assert descriptors() == before


@contextlib.contextmanager
def waiting_elsewhere(connection: Connection) -> Iterator[None]:
    """Another thread sleeps in a call of the connection."""
    while not connection.connected:
        assert connection.wait(LONG_MS)
    enough = threading.Event()

    def wait() -> None:
        while not enough.is_set():
            connection.wait(LONG_MS)

    thread = threading.Thread(target=wait, name="first")
    thread.start()
    while connection._owner._use.acquire(blocking=False):  # until it is at it
        connection._owner._use.release()
    try:
        yield
    finally:
        enough.set()
        connection.wake()
        thread.join()


def test_a_second_thread_at_the_same_time_is_told_to_make_a_connection_of_its_own(
    server: Server,
) -> None:
    with Connection(server.address) as connection:
        model = connection.model("m")
        model.observe(x=np.zeros(1))
        with waiting_elsewhere(connection):
            for work in (
                lambda: model.observe(x=np.ones(1)),
                lambda: model.get_reply(LONG_MS),
                lambda: model.get_reply(0),
                lambda: connection.wait(0),
            ):
                with pytest.raises(UsageError, match="another thread uses this connection now"):
                    work()
            connection.wake()
        assert model.get_result(LONG_MS) is not None
        assert not model._handle.pending


def test_threads_may_use_a_connection_one_after_the_other(server: Server) -> None:
    with Connection(server.address) as connection:
        model = connection.model("m")
        for _ in range(3):
            model.observe(x=np.zeros(1))
            assert not run_elsewhere(lambda: model.get_result(LONG_MS))
            assert not run_elsewhere(lambda: model.observe(x=np.zeros(1)))
            assert model.get_result(LONG_MS) is not None


def test_it_is_not_closed_under_a_thread_that_waits(server: Server) -> None:
    connection = Connection(server.address)
    with waiting_elsewhere(connection), pytest.raises(UsageError, match="another thread uses"):
        connection.close()
    connection.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_an_interrupt_costs_at_most_what_was_at_hand(seed: int) -> None:
    """Signals at random moments, from a thread of the process's own."""
    done = subprocess.run(
        [sys.executable, INTERRUPTED, str(seed)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_interrupt_while_it_connects_anew_leaves_that_to_the_next_call(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise InterruptedError("a signal handler's")

    with Connection(server.address) as connection:
        model = connection.model("m")
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None
        connection._socket.link.handle(Event.MISSED, 0.0)  # so it has to connect anew
        with monkeypatch.context() as patched:
            patched.setattr(zmq.Socket, "disconnect", interrupted)
            with pytest.raises(InterruptedError):
                connection.wait(0)
        model.observe(x=np.zeros(1))
        assert model.get_result(LONG_MS) is not None


def test_what_is_sent_after_a_missed_event_goes_to_the_new_connection(server: Server) -> None:
    """Whatever the first connection is at by then: some fail without either part of the mend."""
    moment = random.Random(1)
    for number in range(40):
        with Connection(server.address) as connection:
            model = connection.model("m")
            model.observe(x=np.zeros(1))
            connection.wait(moment.choice([0, 0, 1, 2]))
            connection._socket._on_link_event(Event.MISSED)
            if number % 2:
                connection.wait(0)
            model.observe(x=np.ones(1))
            replies = [model.get_reply(LONG_MS), model.get_reply(LONG_MS)]
            ended = [reply.status for reply in replies if reply is not None]
            assert Status.WAITING not in ended and Status.OK in ended, (number, replies)
