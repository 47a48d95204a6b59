"""The releases that robots in the field run: their clients on our server, ours on theirs.

Each published release lives in an environment of its own (tools/published.py): it has our import
name and registers the same protobuf package, so it only ever runs as another process.
"""

from __future__ import annotations

import json
import runpy
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from accounting import assert_balanced
from environments import alone, python_in

import inferential_core
from inferential_core import LocalDispatcher, Server
from inferential_core.scheduler.base import register_scheduler
from inferential_core.scheduler.round_robin import RoundRobin

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = Path(__file__).parents[1] / "interop.py"
INTEROP = runpy.run_path(str(SCRIPT))
SCENARIOS = INTEROP["SCENARIOS"]
CLIENTS = [("0.1.0", "sync"), ("1.4.0", "sync"), ("1.4.0", "async")]
TIMEOUT_S = 60.0

pytestmark = pytest.mark.timeout(600)  # the first run makes the environments


@pytest.fixture(scope="session")
def published(pytestconfig: pytest.Config) -> Any:
    """`published(version)` -> its Python; skips where this machine cannot have it."""
    return partial(python_in, config=pytestconfig)


def play_published(python: str, version: str, flavour: str, address: str, scenario: str) -> None:
    command = [python, "-E", str(SCRIPT), "client", version, flavour, address, scenario]
    done = subprocess.run(
        command, env=alone(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("version", "flavour"), CLIENTS)
def test_a_published_client_is_served(
    published: Any, version: str, flavour: str, scenario: str
) -> None:
    python = published(version)
    dispatcher = LocalDispatcher({"policy": INTEROP["verified_echo"]})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        play_published(python, version, flavour, server.address, scenario)
        status = assert_balanced(server)
    assert status["malformed"] == 0
    assert {client["type"] for client in status["clients"]} == {"arm"}
    if "failures" in scenario:
        assert (status["ok"], status["errors"], status["rejected"]) == (3, 3, 3)
    else:
        assert status["ok"] == status["received"] > 0


@pytest.mark.parametrize(("version", "flavour"), CLIENTS)
def test_a_published_client_is_served_in_order(published: Any, version: str, flavour: str) -> None:
    """It has no other way to tell which reply belongs to which observation."""
    python = published(version)
    dispatcher = LocalDispatcher({"policy": INTEROP["verified_echo"]})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        scenario = "all_in_flight_come_back_in_order"
        play_published(python, version, flavour, server.address, scenario)
        assert_balanced(server)


class Watching(RoundRobin):
    """Notes what the requests say of themselves."""

    seen: list[tuple[int, float]] = []

    def submit(self, request: Any) -> None:
        self.seen.append((request.priority, request.latency_budget_ms))
        super().submit(request)


@pytest.mark.parametrize(
    ("version", "scenario", "known", "expected"),
    [
        ("0.1.0", "say_nothing_of_priority", [], [(2, 70.0)]),
        ("0.1.0", "say_nothing_of_priority", [{"id": "robot", "priority": 0}], [(0, 70.0)]),
        ("1.4.0", "tell_priorities", [], [(1, 70.0), (2, 70.0)]),
        ("1.4.0", "tell_priorities", [{"id": "robot", "priority": 0}], [(0, 70.0)] * 2),
    ],
)
def test_a_priority_that_is_absent_is_the_configured_one(
    published: Any,
    version: str,
    scenario: str,
    known: list[dict[str, Any]],
    expected: list[tuple[int, float]],
) -> None:
    python = published(version)
    register_scheduler("watching")(Watching)
    Watching.seen.clear()
    config = inferential_core.InferentialConfig(
        transport={"bind": "tcp://127.0.0.1:0"},
        scheduling={"strategy": "watching"},
        clients={"defaults": {"priority": 2, "latency_budget_ms": 70.0}, "known": known},
    )
    dispatcher = LocalDispatcher({"policy": INTEROP["verified_echo"]})
    with Server(config=config, dispatcher=dispatcher) as server:
        play_published(python, version, "sync", server.address, scenario)
        assert_balanced(server)
    assert Watching.seen == expected


@pytest.fixture
def published_server(published: Any) -> Iterator[str]:
    """Address of a server of 1.4.0 with the same model."""
    command = [published("1.4.0"), "-E", str(SCRIPT), "server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=alone(), stdin=pipe, stdout=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            hello = json.loads(process.stdout.readline())
            assert hello["version"] == "1.4.0"
            yield hello["address"]
        finally:
            process.kill()


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_our_client_is_served_by_the_published_server(
    published_server: str, flavour: str, scenario: str
) -> None:
    INTEROP["play"](SCENARIOS[scenario], inferential_core, flavour, published_server)


def test_the_published_server_never_tells_so_an_observation_can_end_lost(
    published_server: str,
) -> None:
    with inferential_core.Connection(published_server) as connection:
        model = connection.model("policy", lost_after_ms=200.0)
        model.observe(fail="yes")
        reply = model.get_reply(INTEROP["LONG_MS"])
    assert reply is not None and reply.status is inferential_core.Status.LOST
