"""Models on Ray Serve are loaded, replaced and unloaded while the server runs."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray")

from inferential_core import ConfigError, Connection, Server, UsageError
from inferential_core.config import command_config
from inferential_core.dispatch.factory import choose
from inferential_core.dispatch.ray_serve import RayServeDispatcher
from inferential_core.models import profile
from inferential_core.status import Status

sys.path.append(str(Path(__file__).parent))

LONG_MS = 30_000


@pytest.fixture
def server(ray_cluster: Any) -> Iterator[Server]:
    dispatcher = RayServeDispatcher(
        address=ray_cluster.address, deploy={"arm": "changing_models:One"}
    )
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        while record(server)["unavailable"]:
            threading.Event().wait(0.05)
        yield server


def record(server: Server, model: str = "arm") -> dict[str, Any]:
    return next(each for each in server.status()["models"] if each["id"] == model)


def ask(server: Server, model: str = "arm", client: str = "robot") -> Any:
    with Connection(server.address, client_id=client) as connection:
        handle = connection.model(model, latency_budget_ms=LONG_MS)
        handle.observe(x=np.zeros(1, np.float32))
        return handle.get_reply(timeout_ms=LONG_MS)


def test_a_model_is_replaced_and_every_observation_is_answered(
    server: Server, ray_cluster: Any
) -> None:
    answers: Counter[Any] = Counter()
    stopped = threading.Event()

    def ask_on() -> None:
        with Connection(server.address, client_id="asking") as connection:
            model = connection.model("arm", latency_budget_ms=LONG_MS)
            while not stopped.is_set():
                model.observe(x=np.zeros(1, np.float32))
                reply = model.get_reply(LONG_MS)
                answers[reply.status, reply.model_version, reply.error] += 1

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        server.replace_model("arm", "changing_models:Two")
        assert ask(server).model_version == "2"
        with pytest.raises(ConfigError, match="model 'arm' is not replaced.*no/such/weights"):
            server.replace_model("arm", "changing_models:Unmakeable")
        assert ask(server).model_version == "2"
    finally:
        stopped.set()
        asking.join()
    assert {status for status, _, _ in answers} == {Status.OK}, answers
    assert {version for _, version, _ in answers} == {"1", "2"}
    assert record(server)["change"] == "" and record(server)["circuit"] == "closed"
    assert ray_cluster.pids("arm") == set()  # that of the old one is gone


def test_a_model_is_loaded_replaced_after_it_was_unloaded_and_unloaded(server: Server) -> None:
    server.load_model("leg", "changing_models:One")
    assert ask(server, "leg").model_version == "1"
    server.replace_model("leg", "changing_models:Two", unload_first=True)
    assert ask(server, "leg").model_version == "2"
    with pytest.raises(ConfigError, match="'leg' is not replaced"):
        server.replace_model("leg", "changing_models:Unmakeable", unload_first=True)
    assert ask(server, "leg").model_version == "2"  # deployed again
    server.unload_model("leg")
    assert "model 'leg' is unknown" in ask(server, "leg").error
    assert [each["id"] for each in server.status()["models"]] == ["arm"]
    with pytest.raises(ConfigError, match="'leg' is not loaded"):
        server.load_model("leg", "changing_models:Unmakeable")
    assert [each["id"] for each in server.status()["models"]] == ["arm"]
    with pytest.raises(UsageError, match="on Ray Serve lanes cannot be given"):
        server.load_model("leg", "changing_models:One", lanes=2)


def test_a_driver_that_starts_again_calls_the_model_that_replaced_another(
    server: Server,
) -> None:
    server.replace_model("arm", "changing_models:Two")
    dispatcher = server._dispatcher
    assert isinstance(dispatcher, RayServeDispatcher)
    before = dispatcher._child.pid
    dispatcher._child.kill("a test ends it")
    while dispatcher._child.pid in (before, None) or record(server)["unavailable"]:
        threading.Event().wait(0.05)
    assert ask(server).model_version == "2"


def test_a_saved_configuration_changes_the_models_and_profiles_are_planned_with(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "read", lambda target: measured(target, tmp_path))
    file = tmp_path / "server.yaml"
    told = {"bind": "tcp://127.0.0.1:0", "http": "off"}
    ray = f"ray: {{address: '{ray_cluster.address}'}}\n"
    file.write_text(f"dispatch: {{models: {{arm: 'changing_models:One'}}}}\n{ray}")
    config = command_config(file, **told)
    dispatcher = choose(config, dispatcher="ray").dispatcher
    with Server(config=config, dispatcher=dispatcher) as server:
        while record(server)["unavailable"]:
            threading.Event().wait(0.05)
        assert dispatcher.models()["arm"].expected_s == {1: 0.125}
        models = "{arm: 'changing_models:Two', leg: 'changing_models:One'}"
        file.write_text(f"dispatch: {{models: {models}}}\n{ray}")
        assert server.reconfigure(command_config(file, **told)) == []
        assert ask(server).model_version == "2" and ask(server, "leg").model_version == "1"
        assert dispatcher.models()["arm"].expected_s == {}
        file.write_text(f"dispatch: {{models: {{arm: 'changing_models:Two'}}}}\n{ray}")
        assert server.reconfigure(command_config(file, **told)) == []
        assert [each["id"] for each in server.status()["models"]] == ["arm"]


def measured(target: str, folder: Path) -> Any:
    """A profile of the first model, and none of others."""
    if target != "changing_models:One":
        return None
    batches = (profile.BatchProfile(1, 9, 0.2, 0.125, 0.13),)
    machine = profile.this_machine()
    return profile.Profile(target, machine, batches, 0.0, 0.0), folder / "profile.json"
