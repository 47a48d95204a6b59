"""Starting is a state: it is shown, told to who asks, and costs the model no confidence."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from inferential_core import Connection, Server, UsageError
from inferential_core.cli.figures import troubles
from inferential_core.config import InferentialConfig
from inferential_core.dispatch import Batch, Completion, Dispatcher, ModelInfo
from inferential_core.status import Status

LONG_MS = 20_000
JOINING = "the Ray cluster is being joined"


class Starting(Dispatcher):
    """One model, which is not ready before `ready` is called."""

    def __init__(self) -> None:
        self.infos = {"policy": ModelInfo("policy", unavailable=JOINING, starting=True)}
        self.submitted = 0

    def start(self, on_done: Any) -> None:
        self.on_done = on_done

    def models(self) -> dict[str, ModelInfo]:
        return self.infos

    def submit(self, batch: Batch) -> None:
        self.submitted += 1
        results: list[Any] = [{"actions": np.zeros(1)} for _ in batch.requests]
        threading.Thread(target=self.on_done, args=(Completion(batch, results, 0.001),)).start()

    def ready(self) -> None:
        self.infos = {"policy": ModelInfo("policy")}
        assert self.on_change is not None
        self.on_change()

    def close(self) -> None: ...


@pytest.fixture
def dispatcher() -> Starting:
    return Starting()


@pytest.fixture
def server(dispatcher: Starting, tmp_path: Path) -> Iterator[Server]:
    token = tmp_path / "token"
    token.write_text("a-secret-of-some-length\n")
    token.chmod(0o600)
    config = InferentialConfig(
        http={"bind": "127.0.0.1:0", "token_file": str(token)},
        health={"failures": 2, "window_s": 0.0, "open_s": 1000.0},
    )
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        yield server


def probe(server: Server, path: str, method: str = "GET") -> tuple[int, str]:
    """Asked without a token, by a name that is none of the server's, as an orchestrator does."""
    connection = http.client.HTTPConnection(urlsplit(server.page).netloc, timeout=LONG_MS / 1000)
    connection.request(method, path, headers={"Host": "policy.fleet.svc"})
    answer = connection.getresponse()
    told = answer.status, answer.read().decode()
    connection.close()
    return told


def test_who_asks_a_model_that_starts_is_told_so_and_no_circuit_opens(
    server: Server, dispatcher: Starting
) -> None:
    with Connection(server.address) as connection:
        model = connection.model("policy")
        for _ in range(5):
            model.observe(x=np.zeros(1))
            reply = model.get_reply(LONG_MS)
            assert reply.status is Status.ERROR
            assert reply.error == f"the model is starting, ask again in a second: {JOINING}"
        with pytest.raises(UsageError, match="is starting"):  # not: it declares nothing
            model.specification(LONG_MS)
        (told,) = server.status()["models"]
        assert (told["circuit"], told["last_error"], told["failed"]) == ("starting", JOINING, 0)
        assert dispatcher.submitted == 0
        dispatcher.ready()
        while server.status()["models"][0]["circuit"] != "closed":
            pass
        model.observe(x=np.zeros(1))
        assert model.get_reply(LONG_MS).status is Status.OK
        assert model.specification(LONG_MS) == {}


def test_the_commands_and_the_metrics_show_it(server: Server, dispatcher: Starting) -> None:
    exposition = pytest.importorskip("inferential_core.metrics.prometheus").exposition
    shown = {"clients": [], "models": server.status()["models"]}
    assert troubles(shown) == [f"model policy: starting: {JOINING}"]
    assert b'inferential_model_starting{model="policy"} 1.0' in exposition(server)
    dispatcher.ready()
    while server.status()["models"][0]["circuit"] != "closed":
        pass
    assert b'inferential_model_starting{model="policy"} 0.0' in exposition(server)


def test_an_orchestrator_sees_that_it_lives_and_when_it_is_ready(
    server: Server, dispatcher: Starting
) -> None:
    pytest.importorskip("uvicorn")
    assert probe(server, "/healthz") == (200, "ok\n")
    assert probe(server, "/readyz") == (503, "not ready\n")
    dispatcher.ready()
    while server.status()["models"][0]["unavailable"]:
        pass
    assert probe(server, "/readyz") == (200, "ready\n")
    assert probe(server, "/readyz", "HEAD") == (200, "")
    assert probe(server, "/readyz", "POST")[0] == 405
    assert probe(server, "/api/status")[0] in (401, 403)  # which tells more, and to fewer
