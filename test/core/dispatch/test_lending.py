"""Decoded images reach another process where they lie: nothing of them is copied on the way."""

from __future__ import annotations

import os
import socket
import threading

import numpy as np
import pytest
from PIL import Image  # noqa: F401  images are made and read with it

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server, Status
from inferential_core.decoding.memory import PixelMemory
from inferential_core.dispatch.worker import values
from inferential_core.dispatch.worker.channel import Channel
from inferential_core.wire import images

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="this system has no memory of this kind"
)
UINT8 = np.dtype(np.uint8)
LONG_MS = 20_000


@pytest.fixture
def ends():
    ours, theirs = (Channel(each) for each in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def send(channel: Channel, **arrays: np.ndarray) -> None:
    pieces: list = []
    channel.send(values.pack(arrays, pieces), pieces)


def receive(channel: Channel) -> dict[str, np.ndarray]:
    return values.unpack(*channel.receive())


def image(memory: PixelMemory, value: int) -> np.ndarray:
    pixels = memory.lend((200, 300, 3), UINT8)
    pixels[...] = value
    return pixels


def test_what_is_written_later_is_read_there_too_as_it_is_the_same_memory(ends):
    ours, theirs = ends
    memory = PixelMemory(1 << 20)
    first, second = image(memory, 1), image(memory, 2)
    send(ours, first=first, second=second, state=np.arange(3.0))
    read = receive(theirs)
    assert (read["first"] == 1).all() and (read["second"] == 2).all()
    np.testing.assert_array_equal(read["state"], np.arange(3.0))
    assert not read["first"].flags.writeable
    second[5, 5] = 99
    assert (read["second"][5, 5] == 99).all()


def test_a_part_is_kept_until_the_other_end_no_longer_reads_it(ends):
    ours, theirs = ends
    memory = PixelMemory(1 << 20)
    send(ours, camera=image(memory, 7))
    read = receive(theirs)
    assert memory.used
    view = read["camera"][:10, ::2]
    del read
    send(theirs, done=np.zeros(1))
    receive(ours)
    assert memory.used and (view == 7).all()
    del view
    send(theirs, done=np.zeros(1))
    receive(ours)
    assert memory.used == 0


def test_many_images_pass_one_after_the_other_through_little_memory(ends):
    ours, theirs = ends
    memory = PixelMemory(4 * 184_320)
    for value in range(100):
        send(ours, a=image(memory, value), b=image(memory, value + 1))
        read = receive(theirs)
        assert (read["a"] == value).all() and (read["b"] == value + 1).all()
        del read
        send(theirs, done=np.zeros(1))
        receive(ours)


def test_the_end_of_the_channel_gives_everything_back(ends):
    ours, theirs = ends
    memory = PixelMemory(1 << 20)
    send(ours, camera=image(memory, 7))
    receive(theirs)
    theirs.close()
    ours.close()
    assert memory.used == 0


def scene(value: int) -> np.ndarray:
    return np.full((120, 160, 3), value, np.uint8)


MODEL = '''
import numpy as np

class Adds:
    """Tells what it saw, and keeps the images of its last call."""

    def infer_batch(self, observations):
        self.kept = [observation["camera"] for observation in observations]
        return [{"sum": np.array([float(each.mean())])} for each in self.kept]
'''


@pytest.fixture
def adds(tmp_path, monkeypatch):
    """The name of a model that processes can load, too."""
    (tmp_path / "adds_of_test.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "adds_of_test:Adds"


@pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])
def test_robots_with_cameras_are_served_with_images_that_were_decoded_ahead(process, adds):
    dispatcher = LocalDispatcher({"policy": adds}, process=process, lanes=2)
    config = InferentialConfig(images={"decoded_bytes": 1_000_000, "threads": 2})
    wrong = []

    def robot(number: int) -> None:
        with Connection(server.address, f"robot-{number}") as connection:
            model = connection.model("policy", latency_budget_ms=5000.0)
            for turn in range(15):
                value = (40 * number + 5 * turn) % 256
                picture = images.encode("camera", scene(value), "png")
                model.observe(camera=picture)
                reply = model.get_reply(LONG_MS)
                if reply.status is not Status.OK or reply.result["sum"][0] != value:
                    wrong.append((number, turn, reply))

    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher, config=config) as server:
        robots = [threading.Thread(target=robot, args=(number,)) for number in range(5)]
        for each in robots:
            each.start()
        for each in robots:
            each.join()
        assert not wrong
        decoding = server._ran.pipeline._decoding
        assert decoding.decoded >= 0.9 * 5 * 15
        assert decoding.used <= 1_000_000


def test_a_broken_image_fails_its_own_observation_alone(adds):
    dispatcher = LocalDispatcher({"policy": adds})
    good = images.encode("camera", scene(3), "png")
    broken = images.EncodedImage(bytes(good.data)[:60], "png")
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address, "a") as one, Connection(server.address, "b") as other:
            first, second = one.model("policy"), other.model("policy")
            first.observe(camera=broken)
            second.observe(camera=good)
            assert second.get_reply(LONG_MS).status is Status.OK
            reply = first.get_reply(LONG_MS)
    assert reply.status is Status.ERROR
    assert "'camera': broken png" in reply.error
