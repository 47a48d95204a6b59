"""What drives the pipeline: whoever has news takes a turn, and nobody waits for it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.dispatch.base import Batch, Completion, Dispatcher, ModelInfo
from inferential_core.transport.memory import MemoryTransport
from inferential_core.wire.messages import ObservationHeader, encode_observation, parse_response

SOON_S = 10.0
ANSWER = {"actions": np.zeros(1, np.float32)}


class Recorder(MemoryTransport):
    """Tells which thread sent each reply."""

    def __init__(self) -> None:
        super().__init__()
        self.senders: list[str] = []
        self.sent = threading.Condition()

    def send(self, identity, frames):
        with self.sent:
            self.senders.append(threading.current_thread().name)
            self.sent.notify_all()
        return super().send(identity, frames)

    def wait_for_replies(self, count: int) -> None:
        with self.sent:
            assert self.sent.wait_for(lambda: len(self.senders) >= count, SOON_S)


class ByHand(Dispatcher):
    """Batches wait until the test answers them."""

    def __init__(self, inline: bool = False) -> None:
        self.inline = inline
        self.batches = []
        self.came = threading.Semaphore(0)

    def start(self, on_done):
        self.on_done = on_done

    def models(self):
        return {"policy": ModelInfo("policy", lanes=4)}

    def submit(self, batch):
        if self.inline:
            self.on_done(Completion(batch, [ANSWER], 0.001))
        else:
            self.batches.append(batch)
            self.came.release()

    def next(self):
        assert self.came.acquire(timeout=SOON_S)
        return self.batches.pop(0)

    def answer(self, batch):
        self.on_done(Completion(batch, [ANSWER] * len(batch.requests), 0.001))

    def close(self):
        pass


def observe(transport, request_id=1, client="a"):
    header = ObservationHeader(client_id=client, model_id="policy", request_id=request_id)
    transport.deliver(client.encode(), encode_observation(header, {}))


@pytest.fixture
def house():
    transport, dispatcher = Recorder(), ByHand()
    transport.peer(b"a")
    with Server(dispatcher=dispatcher, transport=transport) as server:
        yield server, transport, dispatcher


def test_a_reply_leaves_on_the_thread_that_computed_it(house):
    _, transport, dispatcher = house
    observe(transport)
    batch = dispatcher.next()
    lane = threading.Thread(target=dispatcher.answer, args=(batch,), name="lane")
    lane.start()
    lane.join(SOON_S)
    assert transport.senders == ["lane"]


def test_news_that_come_while_the_lock_is_taken_are_left_to_its_holder(house):
    server, transport, dispatcher = house
    observe(transport)
    batch = dispatcher.next()

    def somebody_looks():
        lane = threading.Thread(target=dispatcher.answer, args=(batch,), name="lane")
        lane.start()
        lane.join(SOON_S)
        assert not lane.is_alive()  # it did not wait for us
        return list(transport.senders)

    assert server._parts.loop.between_turns(somebody_looks) == []
    transport.wait_for_replies(1)
    assert transport.senders == ["inferential-server"]
    assert server.status()["ok"] == 1


def test_a_lane_that_is_done_takes_in_what_arrived_meanwhile(house):
    server, transport, dispatcher = house
    server._parts.loop.between_turns(lambda: None)
    for number in range(1, 9):
        observe(transport, number)
    for _ in range(8):
        dispatcher.answer(dispatcher.next())
    transport.wait_for_replies(8)
    assert server.status()["ok"] == 8


def test_a_dispatcher_may_answer_while_it_is_handed_the_batch():
    transport = Recorder()
    peer = transport.peer(b"a")
    with Server(dispatcher=ByHand(inline=True), transport=transport) as server:
        for number in range(1, 4):
            observe(transport, number)
        transport.wait_for_replies(3)
        assert server.status()["ok"] == 3
    assert [parse_response(peer.receive()).request_id for _ in range(3)] == [1, 2, 3]


def test_what_a_model_says_after_the_end_is_not_heard(house):
    server, transport, dispatcher = house
    observe(transport)
    batch = dispatcher.next()
    server.stop()
    late = threading.Thread(target=dispatcher.answer, args=(batch,))
    late.start()
    late.join(SOON_S)
    assert not late.is_alive()
    assert server.status()["dropped"] == 1 and server.status()["ok"] == 0


class Refusing(LocalDispatcher):
    """A user's: it fails at every other batch, at forgetting and at its end."""

    def __init__(self) -> None:
        super().__init__({"policy": lambda obs: {"x": obs["x"]}})
        self.asked = 0

    def submit(self, batch: Batch) -> None:
        self.asked += 1
        if self.asked % 2:
            raise SystemExit("bye")
        super().submit(batch)

    def close(self) -> None:
        super().close()
        raise ValueError("not yet")


def test_a_dispatcher_of_the_users_that_raises_ends_no_server() -> None:
    config = InferentialConfig(scheduling={"max_retries": 0})
    server = Server("tcp://127.0.0.1:0", config=config, dispatcher=Refusing())
    server.start()
    with Connection(server.address) as robot:
        model = robot.model("policy", latency_budget_ms=5000)
        told = []
        for _ in range(4):
            model.observe(x=np.zeros(1))
            reply = model.get_reply(timeout_ms=20_000)
            assert reply is not None
            told.append((reply.status, reply.error))
    assert [status for status, _ in told] == [Status.ERROR, Status.OK] * 2
    assert "SystemExit: bye" in told[0][1]
    assert server.failure is None
    with pytest.raises(ValueError, match="not yet"):
        server.stop()
    assert not server.running
    server.stop()
