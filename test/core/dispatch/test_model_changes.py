"""Models are loaded, replaced and unloaded while the server runs."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from inferential_core import ConfigError, Connection, LocalDispatcher, Server, UsageError
from inferential_core.status import Status

sys.path.append(str(Path(__file__).parent))
import changing_models as models

LONG_MS = 20_000
PLACES = pytest.mark.parametrize("process", [False, True], ids=["threads", "processes"])


def server_of(served: Any, **options: Any) -> Server:
    return Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher(served, **options))


@pytest.fixture
def server() -> Iterator[Server]:
    with server_of({"arm": models.One()}) as server:
        yield server


def ask(server: Server, model: str = "arm", client: str = "robot") -> Any:
    with Connection(server.address, client_id=client) as connection:
        handle = connection.model(model, latency_budget_ms=LONG_MS)
        handle.observe(x=np.zeros(1, np.float32))
        return handle.get_reply(timeout_ms=LONG_MS)


def record(server: Server, model: str = "arm") -> dict[str, Any]:
    return next(each for each in server.status()["models"] if each["id"] == model)


class Asking:
    """Robots that ask without a pause until told to stop; every observation is accounted for."""

    def __init__(self, server: Server, robots: int = 3) -> None:
        self.answers: Counter[Any] = Counter()
        self.sent = 0
        self._server = server
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(f"robot-{number}",))
            for number in range(robots)
        ]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, name: str) -> None:
        with Connection(self._server.address, client_id=name) as connection:
            model = connection.model("arm", latency_budget_ms=LONG_MS)
            while not self._stopped.is_set():
                model.observe(x=np.zeros(1, np.float32))
                model.observe(x=np.zeros(1, np.float32))
                replies = [model.get_reply(LONG_MS) for _ in range(2)]
                with self._lock:
                    self.sent += 2
                    self.answers.update(
                        (reply.status, reply.error, reply.model_version) for reply in replies
                    )


@PLACES
def test_a_model_is_replaced_twenty_times_and_every_observation_is_answered_once(
    process: bool,
) -> None:
    with server_of({"arm": "changing_models:One"}, process=process) as server:
        with Asking(server) as asking:
            for number in range(4 if process else 20):
                which = models.Two if number % 2 == 0 else models.One
                server.replace_model("arm", f"changing_models:{which.__name__}")
                assert ask(server).model_version == which.version
        assert {status for status, _, _ in asking.answers} == {Status.OK}
        assert {version for _, _, version in asking.answers} == {"1", "2"}
        assert sum(asking.answers.values()) == asking.sent
        status = server.status()
        assert status["ok"] == status["received"] == record(server)["served"]
        assert status["queued"] == status["in_flight"] == 0


@PLACES
def test_a_model_is_loaded_and_unloaded(process: bool, server: Server) -> None:
    assert ask(server, "leg").status is Status.REJECTED
    before = set(psutil.Process().children(recursive=True))  # such as a cluster of other tests
    server.load_model("leg", "changing_models:Two", process=process, lanes=2)
    assert ask(server, "leg").result["actions"] == 2.0
    assert (record(server, "leg")["lanes"], record(server, "leg")["change"]) == (2, "")
    children = set(psutil.Process().children(recursive=True)) - before
    assert len(children) == (2 if process else 0)
    server.unload_model("leg")
    assert "model 'leg' is unknown" in ask(server, "leg").error
    assert not any(child.is_running() for child in children)
    assert ask(server).status is Status.OK


def test_a_model_that_is_loaded_is_shown_as_starting_meanwhile(server: Server) -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting(models.One):
        def warm_up(self) -> None:
            begun.set()
            assert go.wait(LONG_MS / 1000)

    loading = threading.Thread(target=server.load_model, args=("leg", Waiting()))
    loading.start()
    assert begun.wait(LONG_MS / 1000)
    told = record(server, "leg")
    assert (told["circuit"], told["change"]) == ("starting", "loading")
    assert "the model is starting" in ask(server, "leg").error
    assert record(server)["change"] == ""
    go.set()
    loading.join()
    assert ask(server, "leg").status is Status.OK


def test_the_old_model_serves_while_the_new_one_warms_up(server: Server) -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting(models.Two):
        def warm_up(self) -> None:
            begun.set()
            assert go.wait(LONG_MS / 1000)

    replacing = threading.Thread(target=server.replace_model, args=("arm", Waiting()))
    replacing.start()
    assert begun.wait(LONG_MS / 1000)
    assert (record(server)["circuit"], record(server)["change"]) == ("closed", "replacing")
    assert ask(server).model_version == "1"
    go.set()
    replacing.join()
    assert ask(server).model_version == "2"
    assert record(server)["change"] == ""


@PLACES
def test_what_the_old_model_is_at_is_answered_by_it(process: bool) -> None:
    with server_of({"arm": "changing_models:Slow"}, process=process) as server:
        with Connection(server.address) as connection:
            model = connection.model("arm", latency_budget_ms=LONG_MS)
            model.observe(x=np.zeros(1))
            while not record(server)["in_flight"]:
                time.sleep(0.001)
            server.replace_model("arm", "changing_models:Two")
            assert model.get_reply(LONG_MS).model_version == "slow"
            model.observe(x=np.zeros(1))
            assert model.get_reply(LONG_MS).model_version == "2"
        assert record(server)["served"] == 2


@PLACES
@pytest.mark.parametrize("name", ["Unmakeable", "Unwarmed"])
def test_a_model_that_cannot_be_loaded_changes_nothing_and_says_why_and_where(
    process: bool, name: str
) -> None:
    before = len(psutil.Process().children(recursive=True))
    with server_of({"arm": "changing_models:One"}, process=process) as server:
        with pytest.raises(ConfigError) as told:
            server.replace_model("arm", f"changing_models:{name}")
        assert str(told.value).startswith("model 'arm' is not replaced: ")
        assert "FileNotFoundError: /no/such/" in str(told.value)
        assert "in load_weights" in str(told.value)
        with pytest.raises(ConfigError, match="model 'leg' is not loaded: "):
            server.load_model("leg", f"changing_models:{name}", process=process)
        assert [each["id"] for each in server.status()["models"]] == ["arm"]
        assert record(server)["change"] == ""
        assert ask(server).model_version == "1"
        assert len(psutil.Process().children(recursive=True)) == before + process


def test_the_memory_of_a_model_that_is_replaced_is_free_afterwards() -> None:
    def replace(server: Server) -> weakref.ref[Any]:
        old = models.One()
        server.replace_model("arm", old)
        ask(server)
        gone = weakref.ref(old)
        del old
        server.replace_model("arm", models.Two())
        return gone

    with server_of({"arm": models.One()}) as server:
        gc.disable()  # it is found by what the server does, not by chance
        try:
            assert replace(server)() is None
            gone = weakref.ref(server._dispatcher.served("arm").lanes._caller)
            ask(server)
            server.unload_model("arm")
            assert gone() is None
        finally:
            gc.enable()


@PLACES
def test_a_model_may_be_unloaded_before_its_successor_is_loaded(process: bool) -> None:
    with server_of({"arm": "changing_models:One"}, process=process) as server:
        server.replace_model("arm", "changing_models:Two", unload_first=True)
        assert ask(server).model_version == "2"
        with pytest.raises(ConfigError, match="FileNotFoundError"):
            server.replace_model("arm", "changing_models:Unmakeable", unload_first=True)
        assert ask(server).model_version == "2"  # loaded again
        assert record(server)["unavailable"] == ""


def test_an_object_that_was_unloaded_first_cannot_come_back_and_that_is_said(
    server: Server,
) -> None:
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        server.replace_model("arm", "changing_models:Unmakeable", unload_first=True)
    reply = ask(server)
    assert reply.status is Status.ERROR
    assert "it was unloaded before its successor failed" in reply.error
    server.replace_model("arm", "changing_models:One")
    assert ask(server).status is Status.OK


def test_what_waits_for_a_model_that_is_unloaded_first_is_served_by_the_next() -> None:
    with server_of({"arm": "changing_models:Slow"}, max_batch=1) as server:
        with Connection(server.address) as connection:
            model = connection.model("arm", latency_budget_ms=LONG_MS)
            for _ in range(3):
                model.observe(x=np.zeros(1))
            while record(server)["queued"] < 2:
                time.sleep(0.001)
            server.replace_model("arm", "changing_models:Two", unload_first=True, max_batch=8)
            replies = [model.get_reply(LONG_MS) for _ in range(3)]
    assert sorted(reply.model_version for reply in replies) == ["2", "2", "slow"]


def test_what_waits_and_does_not_fit_the_new_model_is_rejected(server: Server) -> None:
    class Narrow(models.Two):
        specification = {"observation": {"x": {"dtype": "float32", "shape": [7]}}}

    server.replace_model("arm", "changing_models:Slow", max_batch=1)
    with Connection(server.address) as connection:
        model = connection.model("arm", latency_budget_ms=LONG_MS)
        for _ in range(2):
            model.observe(x=np.zeros(1, np.float32))
        while not record(server)["queued"]:
            time.sleep(0.001)
        server.replace_model("arm", Narrow())
        replies = {model.get_reply(LONG_MS).status for _ in range(2)}
    assert replies == {Status.OK, Status.REJECTED}


def test_a_call_that_hangs_is_given_up_while_its_model_is_replaced(server: Server) -> None:
    go = threading.Event()

    def hang(observation: Any) -> Any:
        go.wait(LONG_MS / 1000)
        return {"actions": np.zeros((1, 1))}

    server.replace_model("arm", hang, timeout_s=0.3)
    with Connection(server.address) as connection:
        model = connection.model("arm", latency_budget_ms=LONG_MS)
        model.observe(x=np.zeros(1))
        while not record(server)["in_flight"]:
            time.sleep(0.001)
        server.replace_model("arm", models.Two())
        reply = model.get_reply(LONG_MS)
        assert "the call was given up" in reply.error
        assert ask(server).model_version == "2"
    go.set()


def test_a_stateful_model_that_takes_over_begins_every_episode_anew(server: Server) -> None:
    class Counting:
        stateful = True

        def __init__(self) -> None:
            self.counts: Counter[str] = Counter()

        def infer(self, observation: Any, context: Any) -> Any:
            if context.first_of_episode:
                self.counts[context.client_id] = 0
            self.counts[context.client_id] += 1
            return {"count": np.array([self.counts[context.client_id]])}

    server.replace_model("arm", Counting())
    with Connection(server.address) as connection:
        model = connection.model("arm", latency_budget_ms=LONG_MS)
        counts = []
        for number in range(4):
            if number == 2:
                server.replace_model("arm", Counting())
            model.observe(x=np.zeros(1))
            counts.append(int(model.get_reply(LONG_MS).result["count"][0]))
    assert counts == [1, 2, 1, 2]


def test_what_cannot_be_done_is_said(server: Server) -> None:
    with pytest.raises(UsageError, match="'arm' is served already: replace it"):
        server.load_model("arm", models.Two())
    with pytest.raises(UsageError, match="'arn' is not served: did you mean 'arm'"):
        server.replace_model("arn", models.Two())
    with pytest.raises(UsageError, match="'leg' is not served"):
        server.unload_model("leg")
    with pytest.raises(UsageError, match="'leg': lanes must be at least 1, not 0"):
        server.load_model("leg", models.Two(), lanes=0)
    with pytest.raises(UsageError, match="'lane': did you mean 'lanes'"):
        server.load_model("leg", models.Two(), lane=2)
    assert [each["id"] for each in server.status()["models"]] == ["arm"]
    stopped = server_of({"arm": models.One()})
    with pytest.raises(UsageError, match="start it first"):
        stopped.unload_model("arm")


def test_a_server_that_stops_while_a_model_loads_leaves_nothing_behind(server: Server) -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting(models.One):
        def warm_up(self) -> None:
            begun.set()
            assert go.wait(LONG_MS / 1000)

    told: list[Any] = []

    def load() -> None:
        try:
            server.load_model("leg", Waiting())
        except Exception as error:
            told.append(error)

    loading = threading.Thread(target=load)
    loading.start()
    assert begun.wait(LONG_MS / 1000)
    server.stop()
    go.set()
    loading.join()
    assert len(told) == 1 and isinstance(told[0], UsageError)
