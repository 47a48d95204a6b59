"""The thread of a model that answers in no time leads the server, and resigns in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Queue
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core.clock import SystemClock
from inferential_core.transport.memory import MemoryTransport
from inferential_core.transport.zmq_router import ZmqRouter
from inferential_core.wire.images import Buffer
from inferential_core.wire.messages import ObservationHeader, encode_observation

SOON_S = 30.0  # a bound, not a duration
SOON_MS = 1000 * SOON_S
LANE = "inferential-model-quick-0"


class Quick:
    """Answers at once, unless it is told to hang until it is released, or to stop the server."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.release = threading.Event()
        self.server: Server | None = None

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        if "hang" in obs:
            self.hangs.set()
            self.release.wait(SOON_S)
        if "stop" in obs:
            assert self.server is not None
            self.server.stop()
        return {"x": obs["x"]}


class Told(ZmqRouter):
    """Tells which threads listen."""

    def __init__(self) -> None:
        super().__init__("tcp://127.0.0.1:0")
        self.listener = ""
        self.changed = threading.Condition()

    def wait(self, timeout: float | None) -> None:
        with self.changed:
            self.listener = threading.current_thread().name
            self.changed.notify_all()
        super().wait(timeout)


class ToldInMemory(MemoryTransport):
    """Of one robot. Wakes the listener for what it is told of, and never because time passed."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = ""
        self._robot = self.peer(b"robot")
        self._asleep = threading.Condition()
        self._answers = threading.Semaphore(0)
        self._asked = 0

    def wait(self, timeout: float | None) -> None:
        with self._asleep:
            self.listener = threading.current_thread().name
            self._asleep.notify_all()
        super().wait(None)
        with self._asleep:
            self.listener = ""

    def send(self, identity: bytes, frames: Sequence[Buffer]) -> bool:
        sent = super().send(identity, frames)
        self._answers.release()
        return sent

    def hand_in(self, model: str, tell: bool = True) -> None:
        self._asked += 1
        header = ObservationHeader("robot", model, request_id=self._asked)
        frames = encode_observation(header, {"x": np.arange(3)})
        if tell:
            self._robot.send(frames)
        else:
            self._inbox.append((b"robot", list(frames)))

    def until_answered(self) -> None:
        assert self._answers.acquire(timeout=SOON_S)

    def until_asleep(self, name: str) -> None:
        with self._asleep:
            assert self._asleep.wait_for(lambda: self.listener == name, SOON_S)


class House:
    def __init__(self) -> None:
        self.model = Quick()
        self.transport = Told()
        dispatcher = LocalDispatcher({"quick": self.model, "other": lambda obs: {"x": obs["x"]}})
        self.server = Server(dispatcher=dispatcher, transport=self.transport, clock=SystemClock())
        self.model.server = self.server
        self.server.start()
        self.robot = Connection(self.transport.address, client_id="robot")
        self.quick = self.robot.model("quick")

    def ask(self, **values: int) -> None:
        self.quick.observe(x=np.arange(3), **{name: np.array(v) for name, v in values.items()})

    def until_the_lane_listens(self) -> None:
        for _ in range(10_000):
            self.ask()
            assert self.quick.get_result(SOON_MS) is not None
            with self.transport.changed:
                if self.transport.listener == LANE:
                    return
        raise AssertionError("the lane never listened")


@pytest.fixture
def house() -> Iterator[House]:
    here = House()
    yield here
    here.model.release.set()
    here.robot.close()
    here.server.stop()


def test_a_lane_whose_calls_take_no_time_listens(house: House) -> None:
    house.until_the_lane_listens()
    other = house.robot.model("other")
    other.observe(x=np.arange(2))
    assert other.get_result(SOON_MS)["x"].tolist() == [0, 1]
    assert house.server.status()["queued"] == 0


def test_a_lane_that_listens_is_woken_for_a_batch_that_another_thread_has_for_it() -> None:
    """Of a message whose signal was taken away, as sending a reply may do, nobody is woken: the
    thread that sent it takes the message in itself, for a model whose thread sleeps as listener.
    """
    transport = ToldInMemory()
    begins, release = threading.Event(), threading.Event()

    def other(obs: dict[str, Any]) -> dict[str, Any]:
        begins.set()
        release.wait(SOON_S)
        return {}

    dispatcher = LocalDispatcher({"quick": Quick(), "other": other})
    with Server(dispatcher=dispatcher, transport=transport, clock=SystemClock()):
        for _ in range(10_000):
            transport.hand_in("quick")
            transport.until_answered()
            if transport.listener == LANE:
                break
        transport.hand_in("other")
        assert begins.wait(SOON_S)
        transport.until_asleep(LANE)
        transport.hand_in("quick", tell=False)
        release.set()
        transport.until_answered()
        transport.until_answered()


def test_others_are_heard_while_a_lane_that_listened_hangs(house: House) -> None:
    house.until_the_lane_listens()
    house.ask(hang=1)
    assert house.model.hangs.wait(SOON_S)
    with Connection(house.transport.address, client_id="second") as second:
        other = second.model("other")
        other.observe(x=np.arange(2))
        assert other.get_result(SOON_MS) is not None
    with house.transport.changed:
        assert house.transport.changed.wait_for(lambda: house.transport.listener != LANE, SOON_S)
    house.model.release.set()
    assert house.quick.get_result(SOON_MS) is not None
    house.until_the_lane_listens()  # again, once its calls are brief again


def test_the_server_stops_while_a_lane_listens(house: House) -> None:
    house.until_the_lane_listens()
    house.server.stop()
    assert not house.server.running and house.server.failure is None


def test_the_server_stops_while_a_lane_that_listened_hangs(house: House) -> None:
    house.until_the_lane_listens()
    house.ask(hang=1)
    assert house.model.hangs.wait(SOON_S)
    stopping = threading.Thread(target=house.server.stop)
    stopping.start()
    stopping.join(SOON_S)
    assert not stopping.is_alive()
    assert house.server.status()["dropped"] == 1


def test_a_model_that_listened_may_stop_the_server(house: House) -> None:
    house.until_the_lane_listens()
    house.ask(stop=1)
    assert house.server._parts is not None
    assert house.server._parts.loop.stopped.wait(SOON_S)
    assert house.server.failure is None


def test_a_lane_that_is_replaced_no_longer_listens() -> None:
    model = Quick()
    dispatcher = LocalDispatcher({"quick": model}, timeout_s=0.2)
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as robot:
            quick = robot.model("quick")
            for _ in range(200):
                quick.observe(x=np.arange(3))
                assert quick.get_result(SOON_MS) is not None
            quick.observe(x=np.arange(3), hang=np.array(1))
            assert "0.2 s" in quick.get_reply(SOON_MS).error
            model.release.set()
            for _ in range(200):
                quick.observe(x=np.arange(3))
                assert quick.get_result(SOON_MS) is not None


class Slowly:
    """Of which a client's farewell takes as long as the test wants."""

    stateful = True

    def __init__(self) -> None:
        self.leaving: Queue[str] = Queue()
        self.release = threading.Semaphore(0)

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        return {}

    def forget(self, client_id: str) -> None:
        self.leaving.put(client_id)
        self.release.acquire(timeout=SOON_S)


def test_a_lane_that_says_farewell_to_clients_is_not_lent_the_listening() -> None:
    model = Slowly()
    models = {"slowly": model, "other": lambda obs: {}}
    dispatcher = LocalDispatcher(models, warm_up=False)
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as robot:
            slowly, other = robot.model("slowly"), robot.model("other")
            for _ in range(200):  # so that it offers to listen
                slowly.observe(x=np.arange(3))
                assert slowly.get_result(SOON_MS) is not None
            for name in ("a", "b"):
                dispatcher.forget("slowly", name, 0)
            model.release.release()
            assert [model.leaving.get(timeout=SOON_S) for _ in "ab"] == ["a", "b"]
            try:
                for _ in range(3):
                    other.observe(x=np.arange(3))
                    assert other.get_result(SOON_MS / 3) is not None
            finally:
                model.release.release()
