"""What the clients of doors may use up: descriptors, delays, places and memory."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from inferential_core.config.doors import DoorConfig
from inferential_core.doors.credentials import Credentials, Pass
from inferential_core.doors.lerobot.messages import _blank
from inferential_core.doors.visit import Visit
from inferential_core.errors import RejectedError
from inferential_core.wire.limits import Limits

CROWD = """
import socket, sys
held = []
for _ in range(100):
    held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
print("there", flush=True)
sys.stdin.read()
"""
LONG_S = 20.0  # a bound, not a duration


def test_a_door_without_descriptors_listens_again_after_a_pause() -> None:
    pytest.importorskip("msgpack")
    from inferential_core.doors.openpi.door import OpenpiDoor

    refused: list[str] = []
    reception: Any = SimpleNamespace(limits=Limits(), refuse=refused.append, own_places=dict)
    door = OpenpiDoor(DoorConfig(kind="openpi", bind="127.0.0.1:0"), reception)
    door.open()
    port = door.address.rpartition(":")[2]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    crowd = subprocess.Popen(
        [sys.executable, "-c", CROWD, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    held: list[socket.socket] = []
    try:
        assert crowd.stdout is not None and crowd.stdout.readline() == b"there\n"
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        with contextlib.suppress(OSError):
            while True:
                held.append(socket.socket())
        door.attend()
        assert refused == ["too many descriptors"]
        poll = select.poll()
        poll.register(door.fileno(), select.POLLIN)
        assert poll.poll(0) == []  # so that whoever waits there is not called for nothing
        for each in held:
            each.close()
        end = time.monotonic() + LONG_S
        while not door._connections:
            assert time.monotonic() < end
            poll.poll(1000 * max(0.0, min(1.0, door.next_timer() - time.monotonic())))
            door.attend()
    finally:
        for each in held:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        crowd.communicate()
        door.close()


def test_the_delay_of_wrong_tokens_never_ends() -> None:
    refusals: Any = SimpleNamespace(add=lambda *told: None)
    keyring: Any = SimpleNamespace(find=lambda key: None, rights={}, path="authorized.yaml")
    credentials = Credentials(keyring, refusals, lambda: 0.0)
    for _ in range(2000):
        with pytest.raises(RejectedError):
            credentials.admit("wrong", "10.0.0.9")
    assert credentials.delay("10.0.0.9") == 8.0


@pytest.mark.parametrize("observations", [[{"a": 1.0}] * 257, [{"a": 1.0}, {"a": object()}]])
def test_of_several_observations_all_are_asked_for_or_none(observations: Any) -> None:
    delivered: list[Any] = []
    host: Any = SimpleNamespace(
        settings=SimpleNamespace(latency_budget_ms=0.0),
        kind="openpi",
        limits=Limits(),
        visits={},
        deliver=lambda *told: delivered.append(told),
        left=lambda: None,
    )
    visit = Visit(host, Pass(), "robot")
    with pytest.raises(RejectedError):
        visit.ask_together("policy", observations, lambda replies: None)
    assert (delivered, visit.waiting) == ([], 0)


def test_an_image_that_nobody_has_is_none() -> None:
    pytest.importorskip("grpc")
    assert _blank((2**31 - 1, 2**31 - 1, 3)) is None
    blank = _blank((480, 640, 3))
    assert blank is not None and blank.shape == (480, 640, 3)
