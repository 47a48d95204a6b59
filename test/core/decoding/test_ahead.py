"""Images are decoded while their observation waits: the ones due first, once, and no others."""

from __future__ import annotations

import queue
import threading

import numpy as np
import pytest
from house import House, reply

from inferential_core import EncodedImage, Status
from inferential_core.decoding.ahead import DecodeAhead
from inferential_core.dispatch.base import ModelInfo
from inferential_core.wire import images
from inferential_core.wire.messages import status_of

pytest.importorskip("PIL.Image", reason="pillow is not installed")

LONG_S = 10.0
PIXELS = np.arange(16 * 24 * 3, dtype=np.uint8).reshape(16, 24, 3)
SIZE = 4096  # bytes of memory that one takes


def png(value: int = 0) -> EncodedImage:
    """An image that can be told from others by its first value."""
    pixels = PIXELS.copy()
    pixels[0, 0, 0] = value
    return images.encode("camera", pixels, "png")


class Decoder:
    """Decodes when the test says so; `decoded` are the first values, in order."""

    def __init__(self) -> None:
        self.decoded: list[int] = []
        self.begun: queue.Queue[int] = queue.Queue()
        self.allowed = threading.Semaphore(0)

    def __call__(self, image: EncodedImage, place: np.ndarray) -> np.ndarray:
        pixels = images.decode(image, place)
        self.begun.put(int(pixels[0, 0, 0]))
        assert self.allowed.acquire(timeout=LONG_S)
        self.decoded.append(int(pixels[0, 0, 0]))
        return pixels


class Site:
    """A house whose images are decoded by one thread."""

    def __init__(self, *infos: ModelInfo, room: int = 100, **sections) -> None:
        self.ready: queue.Queue[None] = queue.Queue()
        self.decoder = Decoder()
        self.decoding = DecodeAhead(room * SIZE, 1, lambda: self.ready.put(None), self.decoder)
        infos = infos or (ModelInfo("policy", max_batch=8, reads_pixels=True),)
        self.house = House(*infos, decoding=self.decoding, **sections)

    def observe(self, name: str, *values: int, **fields) -> None:
        self.peer = self.house.client(name)
        cameras = {f"camera_{index}": png(value) for index, value in enumerate(values)}
        self.house.observe(self.peer, values={"x": np.zeros(1), **cameras}, **fields)

    def await_ready(self, times: int = 1) -> None:
        """So many observations are ready; the model is given what it may be given."""
        for _ in range(times):
            self.ready.get(timeout=LONG_S)
        self.house.settle()

    def decode(self, count: int = 1) -> None:
        for _ in range(count):
            self.decoder.begun.get(timeout=LONG_S)
            self.decoder.allowed.release()

    @property
    def batches(self) -> list[list[str]]:
        batches = self.house.dispatcher.batches
        return [[request.client_id for request in batch.requests] for batch in batches]


@pytest.fixture
def make():
    sites = []

    def made(*infos, **options) -> Site:
        sites.append(Site(*infos, **options))
        return sites[-1]

    yield made
    for site in sites:
        for _ in range(100):
            site.decoder.allowed.release()
        site.decoding.close()


def test_an_observation_goes_to_its_model_once_its_images_are_decoded(make):
    site = make()
    site.observe("a", 1, 2)
    assert site.batches == []
    site.decode(2)
    site.await_ready()
    (batch,) = site.house.dispatcher.batches
    inputs = batch.requests[0].inputs
    np.testing.assert_array_equal(inputs["camera_0"], images.decode(png(1)))
    np.testing.assert_array_equal(inputs["camera_1"], images.decode(png(2)))
    assert site.decoding.decoded == 2


def test_images_are_decoded_while_the_model_is_busy_each_once(make):
    site = make()
    site.observe("a")
    for index, name in enumerate("bcd"):
        site.observe(name, index)
    site.decode(3)
    site.await_ready(3)
    assert site.batches == [["a"]]
    site.house.complete()
    assert site.batches == [["b", "c", "d"]]
    assert site.decoder.decoded == [0, 1, 2]


def test_a_free_model_takes_those_that_are_ready_and_leaves_the_others(make):
    site = make()
    site.observe("a", 1)
    site.observe("b")
    assert site.batches == [["b"]]
    site.decode()
    site.await_ready()
    site.house.complete()
    assert site.batches == [["a"]]


def test_it_is_known_about_when_an_observation_is_ready(make):
    site = make(ModelInfo("policy", max_batch=1, reads_pixels=True))
    site.observe("a", 1)
    site.decode()
    site.await_ready()
    site.observe("b", 2, 3)
    (waiting,) = site.house.pipeline.scheduler.pending.of("policy")
    for now in (10.0, 99.0):  # also where it should have been by then
        assert site.decoding.ready([waiting], now) == []
        assert waiting.ready_at == pytest.approx(now + waiting.decoding_s) != now
    site.decode(2)
    site.await_ready()
    assert waiting.ready_at == 0.0


def test_the_observation_that_is_due_first_is_decoded_first(make):
    site = make()
    site.observe("first", 1)
    site.decoder.begun.get(timeout=LONG_S)  # so that the others wait
    site.observe("late", 2, latency_budget_ms=900.0)
    site.observe("soon", 3, latency_budget_ms=100.0)
    site.decoder.allowed.release()
    site.decode(2)
    site.await_ready(3)
    assert site.decoder.decoded == [1, 3, 2]


def test_what_is_superseded_before_is_never_decoded(make):
    site = make()
    site.observe("other", 1)
    site.decoder.begun.get(timeout=LONG_S)
    site.observe("robot", 2, supersede=True)
    site.observe("robot", 3, supersede=True)
    site.decoder.allowed.release()
    site.decode()
    site.await_ready(2)
    assert site.decoder.decoded == [1, 3]
    assert site.house.count(Status.SUPERSEDED) == 1


def test_what_expires_before_is_never_decoded(make):
    site = make(scheduling={"request_ttl_ms": 100})
    site.observe("first", 1)
    site.decoder.begun.get(timeout=LONG_S)
    site.observe("old", 2)
    site.house.pass_time(0.2)
    assert site.house.count(Status.EXPIRED) == 2
    site.decoder.allowed.release()
    site.observe("new", 3)
    site.decode()
    site.await_ready()
    assert site.decoder.decoded == [1, 3]


def test_what_is_rejected_is_never_decoded(make):
    site = make(
        ModelInfo(
            "policy",
            reads_pixels=True,
            specification={"observation": {"camera_0": {"shape": [1, 1, 3]}}},
        )
    )
    site.observe("a", 1)
    assert site.house.count(Status.REJECTED) == 1
    assert not site.decoding.jobs


def test_a_client_is_served_in_the_order_of_its_observations(make):
    site = make()
    site.observe("a", 1)
    site.observe("a")
    assert site.batches == []
    site.decode()
    site.await_ready()
    assert site.batches == [["a", "a"]]


def test_where_memory_is_full_observations_go_as_they_are(make):
    site = make(ModelInfo("policy", lanes=2, reads_pixels=True), room=1)
    site.observe("a", 1)
    site.decode()
    site.await_ready()
    assert site.batches == [["a"]]
    site.observe("b", 2)
    site.await_ready()  # says that there is no room
    assert site.batches == [["a"], ["b"]]
    second = site.house.dispatcher.batches[1].requests[0]
    assert type(second.inputs["camera_0"]) is EncodedImage


def test_where_there_is_room_again_decoding_goes_on(make):
    site = make(room=1)
    site.observe("a", 1)
    site.decode()
    site.await_ready()
    site.observe("b", 2)
    site.ready.get(timeout=LONG_S)
    site.house.pipeline.scheduler.pending.remove(
        site.house.pipeline.scheduler.pending.of("policy")[0], Status.DROPPED, "test"
    )
    site.house.complete()
    site.observe("c", 3)
    site.decode()
    site.await_ready()
    assert site.decoder.decoded == [1, 3]
    assert site.batches == [["c"]]


def test_what_is_half_decoded_when_memory_is_full_goes_as_it_is(make):
    site = make(room=1)
    site.observe("a", 1, 2)
    site.decode()
    site.await_ready()  # there is no room for the second image, and none will come by itself
    ((request,),) = [batch.requests for batch in site.house.dispatcher.batches]
    assert type(request.inputs["camera_0"]) is np.ndarray
    assert type(request.inputs["camera_1"]) is EncodedImage


def test_an_image_larger_than_all_memory_is_left_to_the_model(make):
    site = make(room=0)
    site.observe("a", 1)
    (batch,) = site.house.dispatcher.batches
    assert type(batch.requests[0].inputs["camera_0"]) is EncodedImage


def test_a_broken_image_holds_up_nobody_and_is_told_where_the_model_is_called(make):
    site = make()
    peer = site.house.client("a")
    broken = EncodedImage(bytes(png().data)[:60], "png")
    site.house.observe(peer, values={"camera": broken})
    site.await_ready()
    (batch,) = site.house.dispatcher.batches
    assert batch.requests[0].inputs["camera"] is not None
    assert type(batch.requests[0].inputs["camera"]) is EncodedImage
    assert site.decoding.used == 0


def test_a_model_that_takes_files_gets_files(make):
    site = make(ModelInfo("policy"))
    site.observe("a", 1)
    (batch,) = site.house.dispatcher.batches
    assert type(batch.requests[0].inputs["camera_0"]) is EncodedImage


def test_memory_is_free_again_once_the_observation_has_ended(make):
    site = make()
    site.observe("a", 1)
    site.decode()
    site.await_ready()
    assert site.decoding.used == SIZE
    batch = site.house.complete()
    assert status_of(reply(site.peer)) is Status.OK
    del batch
    assert site.decoding.used == 0


def test_what_was_decoded_and_what_it_takes_up_is_measured_once_a_second(make):
    site = make()
    site.observe("a", 1, 2)
    site.decode(2)
    site.await_ready()
    site.house.pass_time(1.0)
    site.house.pass_time(1.0)
    found = {name: [] for name in ("images_decoded", "decoded_image_bytes")}
    for name, value, _ in site.house.records:
        if name in found:
            found[name].append(value)
    assert found == {"images_decoded": [2.0, 0.0], "decoded_image_bytes": [2 * SIZE] * 2}


def test_the_order_of_what_is_due_does_not_grow_with_what_was_given_up(make):
    site = make()
    site.observe("first", 1)
    site.decoder.begun.get(timeout=LONG_S)
    for _ in range(500):
        site.observe("robot", 2, supersede=True)
    assert len(site.decoding._order) < 150
