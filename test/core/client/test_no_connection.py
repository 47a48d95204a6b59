"""Why there is no answer: a client is told what is in the way, and can tell it to its user."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from documented import PAGES, blocks
from embedded import ending, program

from inferential_core import (
    AsyncConnection,
    Connection,
    InferentialConfig,
    LocalDispatcher,
    Server,
    Status,
)
from inferential_core.client.absence import why_absent

LONG_S = 20.0
NOBODY = "nobody.invalid"  # a name that never resolves (RFC 2606)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def told(connection: Connection, part: str) -> str:
    """What `get_reply` says once it knows more than that nobody is there."""
    model = connection.model("policy")
    model.observe(x=np.zeros(1))
    end = time.monotonic() + LONG_S
    while True:
        reply = model.get_reply(timeout_ms=300)
        assert reply is not None and reply.result is None
        assert reply.status is Status.WAITING
        if part in reply.error:
            return reply.error
        assert time.monotonic() < end, reply.error


def test_a_port_on_which_nothing_listens_is_named(closed_port: int) -> None:
    with Connection(f"tcp://127.0.0.1:{closed_port}") as connection:
        reason = f"nothing listens on port {closed_port} of '127.0.0.1'"
        assert told(connection, reason).startswith("no answer after 300 ms: nothing listens")
        assert reason in connection.problem
        with pytest.raises(TimeoutError, match=reason):
            connection.model("policy").specification(timeout_ms=300)


def test_a_name_that_does_not_resolve_is_named() -> None:
    with Connection(f"tcp://{NOBODY}:5555") as connection:
        told(connection, f"the name '{NOBODY}' does not resolve")


def test_a_slow_model_is_told_from_a_server_that_is_not_there() -> None:
    go_on = threading.Event()

    def slow(obs):
        go_on.wait(LONG_S)
        return obs

    models = LocalDispatcher({"policy": slow})
    with Server("tcp://127.0.0.1:0", dispatcher=models) as server:
        with Connection(server.address) as connection:
            told(connection, "the server is there, and its model has not answered yet")
            assert connection.problem == ""
            model = connection.model("policy")
            model.observe(x=np.zeros(1))
            assert model.get_reply(timeout_ms=1).status is Status.WAITING
            assert model.get_reply(timeout_ms=0) is None
            go_on.set()
            assert model.get_reply(1000 * LONG_S).status is Status.OK  # it was not abandoned
            assert model.get_reply(timeout_ms=1) is None  # nothing waits


def test_whoever_listens_there_but_says_nothing_is_told(closed_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with Connection(f"tcp://127.0.0.1:{mute.getsockname()[1]}") as connection:
            told(connection, "the server has not let this client in yet")


def test_a_port_of_another_program_is_named() -> None:
    models = LocalDispatcher({"policy": lambda obs: obs})
    config = InferentialConfig(http={"bind": "127.0.0.1:0"})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=models) as server:
        page = server.page.rpartition(":")[2]
        with Connection(f"tcp://127.0.0.1:{page}") as connection:
            told(connection, f"what listens on port {page} of '127.0.0.1' does not greet as an")
        assert why_absent(server.address) == ""


def test_get_result_stays_none_and_warns_with_the_reason(
    closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Connection(f"tcp://127.0.0.1:{closed_port}") as connection:
        told(connection, "nothing listens")
        model = connection.model("policy")
        model.observe(x=np.zeros(1))
        assert model.get_result(timeout_ms=1) is None
    assert "nothing listens on port" in caplog.text


def test_asyncio_clients_are_told_as_well(closed_port: int) -> None:
    async def ask() -> str:
        async with AsyncConnection(f"tcp://127.0.0.1:{closed_port}") as connection:
            model = connection.model("policy")
            await model.observe(x=np.zeros(1))
            error = ""
            while "nothing listens" not in error:
                reply = await model.get_reply(timeout_ms=300)
                error = reply.error
            return error

    assert "nothing listens" in asyncio.run(asyncio.wait_for(ask(), LONG_S))


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1", "127.0.0.1:0;127.0.0.1"])
def test_all_forms_of_an_address_are_read(host: str, closed_port: int) -> None:
    assert "port" in why_absent(f"tcp://{host}:{closed_port}") or "[" in host


def clients_of_the_pages() -> list[object]:
    shown = []
    for page in PAGES:
        for number, block in enumerate(blocks(page.read_text(), "python")):
            if re.search(r"^with Connection\(", block, re.MULTILINE) and "Server(" not in block:
                shown.append(pytest.param(block, id=f"{page.stem} [{number}]"))
    return shown


@pytest.mark.parametrize("snippet", clients_of_the_pages())
def test_a_snippet_of_the_pages_needs_no_server_to_end_well(
    snippet: str, closed_port: int, tmp_path: Path
) -> None:
    absent = f"127.0.0.1:{closed_port}"
    snippet = re.sub(r"localhost:5555|127\.0\.0\.1:5555|gpu-box:5555", absent, snippet)
    snippet = snippet.replace("server=server.address", f'server="{absent}"')
    snippet = re.sub(r"    (server_)?key=.*\n", "", snippet)  # files that are not there
    begin = "import numpy as np\nfrom inferential_core import Connection\n"
    quiet = "import logging; logging.disable()\n"
    with program(tmp_path, begin + quiet + snippet) as process:
        code, out = ending(process)
    assert code == 0 and out
