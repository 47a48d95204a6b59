"""What passes between a door and the pipeline without frames means what it means on the wire."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from doors_rig import serve

from inferential_core.doors import Door
from inferential_core.errors import RejectedError, WireError
from inferential_core.status import Status
from inferential_core.wire import rvl
from inferential_core.wire.by_value import HandedIn, Reply, carried
from inferential_core.wire.images import EncodedImage
from inferential_core.wire.limits import Limits
from inferential_core.wire.messages import (
    ObservationHeader,
    decode_values,
    encode_observation,
    parse_observation,
)

LIMITS = Limits()
HEADER = ObservationHeader("arm", "policy", accepts_uint16=True)
PNG = EncodedImage(b"\x89PNG\r\n\x1a\n", "png", (4, 6, 3))
BOUND_S = 20.0


def handed(values, *, copied_below=0, limits=LIMITS):
    inputs, size = carried(values, copied_below=copied_below)
    return HandedIn(None, inputs, size).values_within(limits)


def by_wire(values, limits=LIMITS):
    frames = [bytes(frame) for frame in encode_observation(HEADER, values)]
    return decode_values(parse_observation(frames), frames, limits)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=">i4"),
        np.zeros((2, 3), np.float64).T,
        np.zeros((0, 7), np.int64),
        np.float32(2.5),
        3,
        True,
        [1, 2],
    ],
)
def test_a_value_arrives_as_it_would_by_the_wire(value):
    (arrived,), (framed,) = handed({"x": value}).values(), by_wire({"x": value}).values()
    assert type(arrived) is type(framed) is np.ndarray
    assert (arrived.dtype, arrived.shape) == (framed.dtype, framed.shape)
    assert arrived.tobytes() == framed.tobytes()
    assert arrived.flags.c_contiguous


@pytest.mark.parametrize(
    "value", [object(), None, {"a": 1}, 2**80, np.array(["a"]), np.zeros(2, "c8")]
)
def test_what_the_wire_cannot_carry_cannot_be_handed_over_either(value):
    with pytest.raises(WireError, match="^'x'") as by_value:
        carried({"x": value}, copied_below=0)
    with pytest.raises(WireError) as framed:
        encode_observation(HEADER, {"x": value})
    assert str(by_value.value) == str(framed.value)


@pytest.mark.parametrize(
    ("values", "limited"),
    [
        ({"x": np.zeros((1,) * 5)}, {"max_dimensions": 4}),
        ({"x": np.zeros(1), "y": np.zeros(1)}, {"max_tensors": 1}),
        ({"x": np.zeros(100)}, {"max_message_bytes": 800}),
        ({"task": "pick up"}, {"max_metadata_bytes": 10}),
        ({"image": PNG}, {"max_image_pixels": 23}),
        ({"image": replace(PNG, shape=(4, 0, 3))}, {}),
        ({"image": replace(PNG, shape=(4,))}, {}),
    ],
)
def test_the_limits_are_those_of_the_wire(values, limited):
    limits = replace(LIMITS, **limited)
    with pytest.raises(RejectedError) as by_value:
        handed(values, limits=limits)
    with pytest.raises(RejectedError) as framed:
        by_wire(values, limits)
    assert str(by_value.value).split(" bytes")[0][:9] == str(framed.value).split(" bytes")[0][:9]


def test_names_of_arrays_count_as_texts():
    with pytest.raises(RejectedError, match="bytes of strings"):
        handed({"x" * (LIMITS.max_metadata_bytes + 1): np.zeros(1)})


@pytest.mark.parametrize("values", [{"a\udc80": 1}, {"a": "pick \udc80"}, {"\udc80": "pick"}])
def test_a_text_that_utf8_cannot_hold_is_refused_in_words(values):
    with pytest.raises(WireError, match=r"UTF-8 cannot hold .*udc80"):
        carried(values, copied_below=0)


def test_small_arrays_may_be_used_again_and_large_ones_are_not_copied():
    small, large = np.zeros(3), np.zeros(1000)
    arrived, size = carried({"small": small, "large": large}, copied_below=4096)
    small[:] = large[:] = 1.0
    assert not arrived["small"].any()
    assert arrived["large"] is large
    assert size == len("smalllarge") + 8 * 1003


def test_the_images_of_an_answer_are_decoded_when_it_is_read():
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4)
    image = EncodedImage(rvl.file_of(depth), "rvl")
    reply = Reply(1, Status.OK, "", 1, 0.0, 0.0, 0, {"depth": image, "said": "done"})
    values = reply.values()
    np.testing.assert_array_equal(values["depth"], depth)
    assert values["said"] == "done"


class InThisProcess(Door):
    kind = "in this process"
    address = "here"
    receptions = []

    def open(self):
        self.receptions.append(self.reception)

    def close(self):
        pass


def test_who_asks_twice_and_a_model_that_answers_twice_may_use_their_arrays_again():
    answer, asked, seen = np.zeros(3), np.zeros(3), []

    def model(observation):
        seen.append(observation["x"].copy())
        answer[:] += 1.0
        return {"actions": answer}

    heard, replies = threading.Semaphore(0), []

    def on_reply(reply):
        replies.append(reply)
        heard.release()

    with serve({"policy": model}, {"kind": f"{__name__}:InThisProcess"}):
        visit = InThisProcess.receptions.pop().enter("127.0.0.1")
        for number in (1.0, 2.0):
            asked[:] = number
            visit.ask("policy", {"x": asked}, on_reply)
        asked[:] = 3.0
        for _ in range(2):
            assert heard.acquire(timeout=BOUND_S)
        visit.close()
    assert [each[0] for each in seen] == [1.0, 2.0]
    assert [reply.values()["actions"][0] for reply in replies] == [1.0, 2.0]
