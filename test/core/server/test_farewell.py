"""Who says goodbye is gone at once: no silence, no takeover, nothing that starves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from documented import blocks, text_of
from house import House

from inferential_core import AsyncConnection, Connection, LocalDispatcher, Server
from inferential_core.client.session import ClientSession, ModelOptions
from inferential_core.clock import SystemClock
from inferential_core.web.client_state import GONE, judge
from inferential_core.web.window import ClientWindow
from inferential_core.wire import inferential_pb2 as pb

LONG_MS = 20_000


@pytest.fixture
def server() -> Iterator[Server]:
    models = LocalDispatcher({"policy": lambda obs: {"actions": np.zeros((50, 7))}})
    with Server("tcp://127.0.0.1:0", dispatcher=models) as server:
        yield server


def ask(connection: Connection) -> None:
    model = connection.model("policy")
    model.observe(joints=np.zeros(7, np.float32))
    assert model.get_result(LONG_MS) is not None


def client_once(server: Server, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    end = time.monotonic() + LONG_MS / 1000
    while not found(client := server.status()["clients"][0]):
        assert time.monotonic() < end, client
        time.sleep(0.005)
    return client


def gone(client: dict[str, Any]) -> bool:
    return not client["connected"]


def test_a_connection_that_is_closed_is_gone_and_owes_nothing(server: Server) -> None:
    with Connection(server.address, client_id="robot") as connection:
        for _ in range(3):
            ask(connection)
    client = client_once(server, gone)
    assert not client["overdue"]
    assert judge(client, ClientWindow(0.0), 1e6, 1.5).state == GONE
    status = server.status()
    assert (status["received"], status["ok"], status["malformed"]) == (3, 3, 0)


def test_the_next_connection_under_that_id_takes_nothing_over(server: Server) -> None:
    for life in range(3):
        with Connection(server.address, client_id="robot") as connection:
            ask(connection)
            client = client_once(server, lambda client: bool(client["connected"]))
            assert (client["received"], client["takeovers"]) == (life + 1, 0)
        client_once(server, gone)


def test_an_asyncio_client_says_goodbye_as_well(server: Server) -> None:
    async def life() -> None:
        async with AsyncConnection(server.address, client_id="robot") as connection:
            model = connection.model("policy")
            await model.observe(joints=np.zeros(7, np.float32))
            assert await model.get_result(LONG_MS) is not None

    asyncio.run(life())
    client_once(server, gone)


def test_a_goodbye_of_a_connection_that_was_taken_over_changes_nothing(server: Server) -> None:
    with Connection(server.address, client_id="robot") as newer:
        with Connection(server.address, client_id="robot") as older:
            ask(older)
            ask(newer)
        ask(newer)  # after the goodbye of the older one, or before: it stays
        client = client_once(server, lambda client: client["received"] == 3)
        assert client["connected"] and client["takeovers"] == 1


def test_the_quick_start_is_not_reported_late(server: Server) -> None:
    snippet = next(it for it in blocks(text_of("quickstart.md"), "python") if "Connection" in it)
    exec(snippet.replace("tcp://127.0.0.1:5555", server.address), {})
    client = client_once(server, gone)
    assert (client["deadline_hits"], client["deadline_misses"]) == (3, 0)


def session_answered_by(**told: Any) -> ClientSession:
    session = ClientSession("robot", "", SystemClock())
    request_id, _ = session.observe(session.open("policy", ModelOptions()), {})
    answer = pb.ModelResponse(model_id="policy", request_id=request_id, **told)
    session.feed([b"", answer.SerializeToString(), b""])
    return session


def test_an_older_server_is_told_nothing_that_it_does_not_know() -> None:
    assert session_answered_by(accepts_frames=True).farewell() is None
    session = session_answered_by(accepts_frames=True, accepts_farewell=True)
    assert session.farewell() is not None
    session.lost("another server may be there next")
    assert session.farewell() is None


def test_nobody_can_say_goodbye_for_another() -> None:
    house = House()
    house.observe(house.client("robot"), session=7)
    for claimed in (0, 8):
        message = pb.Observation(client=pb.Client(id="robot"), session=claimed, farewell=True)
        house.pipeline.on_message(b"robot", [b"", message.SerializeToString(), b""])
        assert house.pipeline.clients.by_id["robot"].connected
    message = pb.Observation(client=pb.Client(id="robot"), session=7, farewell=True)
    house.pipeline.on_message(b"stranger", [b"", message.SerializeToString(), b""])
    assert house.pipeline.clients.by_id["robot"].connected
