"""The codec: what goes in comes out, and what does not fit is refused by name."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inferential_core.errors import MalformedError, RejectedError, WireError
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.images import EncodedImage
from inferential_core.wire.limits import DEFAULT_LIMITS, Limits
from inferential_core.wire.messages import (
    ObservationHeader,
    decode_result,
    decode_values,
    encode_observation,
    parse_observation,
    parse_response,
    response_writer,
)

LIMITS = Limits()
HEADER = ObservationHeader(client_id="robot", model_id="policy")
DTYPES = ["<f2", "<f4", "<f8", "u1", "<u2", "<i4", "<i8", "?"]

arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    )
)
keys = st.text(min_size=1, max_size=20).filter(lambda key: key == key.strip("\ud800"))


def round_trip(values, one_frame_each=False):
    frames = encode_observation(HEADER, values, one_frame_each=one_frame_each)
    frames = [bytes(frame) for frame in frames]
    return decode_values(parse_observation(frames), frames, LIMITS)


@given(values=st.dictionaries(keys, st.one_of(arrays, st.text(max_size=50)), max_size=6))
@pytest.mark.parametrize("one_frame_each", [False, True])
def test_any_values_arrive_as_they_were_sent(values, one_frame_each):
    arrived = round_trip(values, one_frame_each)
    assert arrived.keys() == values.keys()
    for key, value in values.items():
        if isinstance(value, str):
            assert arrived[key] == value
        else:
            assert arrived[key].dtype == value.dtype
            assert arrived[key].shape == value.shape
            assert arrived[key].tobytes() == value.tobytes()  # NaN payloads included


@given(arrays)
def test_a_result_arrives_as_the_model_returned_it(array):
    frames = response_writer("policy").frames({"actions": array, "note": "x"})
    frames = [bytes(frame) for frame in frames]
    result = decode_result(parse_response(frames), frames)
    assert result["note"] == "x"
    assert result["actions"].tobytes() == array.tobytes()
    assert result["actions"].shape == array.shape


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(4, 6)[::2, ::3],
        np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        np.arange(5, dtype=">f8"),
        np.float32(1.5),
        np.array(7, dtype=np.int64),
        np.zeros((0, 3), np.float32),
    ],
    ids=["strided", "fortran", "big endian", "scalar", "zero-dimensional", "empty"],
)
def test_arrays_of_any_layout_arrive_with_their_values(array):
    arrived = round_trip({"x": array})["x"]
    assert arrived.shape == np.shape(array)
    np.testing.assert_array_equal(arrived, array)


def test_bfloat16_arrives_bit_for_bit():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="the [bfloat16] extra")
    array = np.arange(-8, 8).astype(ml_dtypes.bfloat16).reshape(4, 4)
    arrived = round_trip({"x": array, "y": np.zeros(3)})["x"]
    assert arrived.dtype == array.dtype
    assert arrived.tobytes() == array.tobytes()


def test_without_its_package_bfloat16_names_the_extra(monkeypatch):
    from inferential_core.wire import dtypes

    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(TypeError, match=r"inferential\[bfloat16\]"):
        dtypes.to_numpy(pb.BFLOAT16)


def test_one_large_array_is_sent_from_its_own_memory():
    array = np.zeros((720, 1280, 3), np.uint8)
    frames = encode_observation(HEADER, {"image": array})
    assert np.shares_memory(np.frombuffer(frames[2], np.uint8), array)


def test_received_arrays_are_views_into_the_frame():
    frames = encode_observation(HEADER, {"a": np.arange(3.0), "b": np.arange(4.0)})
    values = decode_values(parse_observation(frames), frames, LIMITS)
    payload = np.frombuffer(frames[2], np.uint8)
    assert np.shares_memory(values["a"], payload)
    assert np.shares_memory(values["b"], payload)


@pytest.mark.parametrize("value", [object(), np.array(["text"]), np.complex64(1), [[1], [1, 2]]])
def test_what_cannot_be_sent_is_named(value):
    with pytest.raises(WireError, match="'odd'"):
        encode_observation(HEADER, {"odd": value})
    with pytest.raises(WireError, match="'odd': this whole number is more than an int64"):
        encode_observation(HEADER, {"odd": 10**30})


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"", b"\xff\xff\xff"],
        [b"not empty", b"", b""],
        [b"", b"", b""],  # an Observation that names no model
        [b"", pb.Observation(model_id="policy").SerializeToString()[:-2], b""],
    ],
    ids=["none", "delimiter only", "garbage", "no delimiter", "no model", "truncated"],
)
def test_what_is_no_observation_is_malformed(frames):
    with pytest.raises(MalformedError):
        parse_observation(frames)


def tensor(**fields):
    defaults = dict(key="x", dtype=pb.FLOAT32, shape=[2], byte_offset=0, byte_length=8)
    return pb.Tensor(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (tensor(byte_offset=4), "bytes 4 to 12 of a payload of 8"),
        (tensor(byte_length=1 << 30, shape=[1 << 28]), "of a payload of 8 bytes"),
        (tensor(byte_offset=(1 << 64) - 8), "of a payload of 8 bytes"),
        (tensor(shape=[3]), "takes 12 bytes, the descriptor says 8"),
        (tensor(shape=[-2]), "negative size"),
        (tensor(shape=[1 << 62, 1 << 62]), "the descriptor says 8"),
        (tensor(shape=[0, 1 << 62], byte_length=0), "too big"),
        (tensor(shape=[1] * 20), "20 dimensions, limit 16"),
        (tensor(dtype=99), "dtype 99 is unknown"),
        (tensor(dtype=pb.DTYPE_UNSPECIFIED), "dtype 0 is unknown"),
        (tensor(encoding=9), "encoding 9 is unknown"),
        (tensor(frame=3), "payload frame 3 of 1"),
        (tensor(encoding=pb.JPEG, dtype=pb.UINT8, shape=[9]), "H x W"),
        (tensor(encoding=pb.JPEG, dtype=pb.UINT8, shape=[1 << 20, 1 << 20, 3]), "pixels, limit"),
    ],
)
def test_a_tensor_that_does_not_fit_is_rejected_with_its_key(broken, reason):
    message = pb.Observation(model_id="policy", tensors=[broken])
    frames = [b"", message.SerializeToString(), bytes(8)]
    with pytest.raises(RejectedError, match=f"'x'.*{reason}"):
        decode_values(parse_observation(frames), frames, LIMITS)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (pb.Observation(model_id="m", tensors=[tensor(), tensor()]), "'x' is there twice"),
        (pb.Observation(model_id="m", tensors=[tensor()], metadata={"x": "y"}), "both"),
        (
            pb.Observation(model_id="m", tensors=[tensor(key=str(n)) for n in range(65)]),
            "limit 64",
        ),
        (pb.Observation(model_id="m", metadata={"k": "v" * 70_000}), "limit 65536"),
    ],
)
def test_limits_hold_for_the_whole_observation(message, reason):
    frames = [b"", message.SerializeToString(), bytes(8)]
    with pytest.raises(RejectedError, match=reason):
        decode_values(parse_observation(frames), frames, LIMITS)


@given(st.binary(max_size=200), st.binary(max_size=64))
def test_random_bytes_raise_nothing_but_wire_errors(envelope, payload):
    frames = [b"", envelope, payload]
    try:
        decode_values(parse_observation(frames), frames, LIMITS)
    except WireError:
        pass


def test_an_absent_priority_is_not_the_most_important_one():
    absent = parse_observation(encode_observation(HEADER, {}))
    assert not absent.HasField("priority")
    zero = parse_observation(
        encode_observation(ObservationHeader("robot", "policy", priority=0), {})
    )
    assert zero.HasField("priority") and zero.priority == 0


def test_published_field_numbers_never_change():
    """Numbers as the published releases 0.1.0 and 1.4.0 send them."""
    numbers = {
        name: {field.name: field.number for field in message.fields if field.number < 100}
        for name, message in pb.DESCRIPTOR.message_types_by_name.items()
    }
    assert numbers["Client"] == {"id": 1, "type": 2}
    assert numbers["Tensor"] == {
        "key": 1,
        "dtype": 2,
        "shape": 3,
        "byte_offset": 4,
        "byte_length": 5,
        "timestamp_ns": 6,
        "encoding": 7,
    }
    assert numbers["Observation"] == {
        "client": 1,
        "timestamp_ns": 2,
        "urgency": 3,
        "tensors": 4,
        "model_id": 5,
        "steps_remaining": 6,
        "metadata": 7,
        "priority": 8,
    }
    assert numbers["ModelResponse"] == {
        "client": 1,
        "response_id": 2,
        "timestamp_ns": 3,
        "tensors": 4,
        "inference_latency_ms": 5,
        "model_id": 6,
        "metadata": 7,
    }


def jpeg_header(height: int, width: int) -> bytes:
    app0 = b"\xff\xe0" + struct.pack(">H", 4) + b"\0\0"
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + app0 + frame


def test_the_size_of_a_jpeg_is_read_from_its_header():
    assert EncodedImage(jpeg_header(480, 640), "jpeg").shape == (480, 640, 3)


@pytest.mark.parametrize("cut", range(18))
def test_a_truncated_jpeg_header_is_a_wire_error(cut):
    data = jpeg_header(480, 640)[:cut]
    with pytest.raises(WireError):
        EncodedImage(data, "jpeg")


def test_a_compressed_image_passes_through_byte_by_byte():
    data = jpeg_header(4, 6) + bytes(range(256))
    arrived = round_trip({"camera": EncodedImage(data, "jpeg"), "x": np.arange(3.0)})["camera"]
    assert bytes(arrived.data) == data
    assert arrived.shape == (4, 6, 3)


def test_real_images_are_decoded_to_their_pixels():
    image_module = pytest.importorskip("PIL.Image", reason="Pillow is the [images] extra")
    import io

    from inferential_core.wire.images import decode

    pixels = np.random.default_rng(0).integers(0, 255, (12, 10, 3), np.uint8)
    file = io.BytesIO()
    image_module.fromarray(pixels).save(file, "PNG")
    image = EncodedImage(file.getvalue(), "png")
    assert image.shape == (12, 10, 3)
    np.testing.assert_array_equal(decode(image), pixels)
    with pytest.raises(WireError, match="declared shape"):
        decode(EncodedImage(image.data, "png", (10, 12, 3)))
    with pytest.raises(WireError):
        decode(EncodedImage(image.data[:60], "png"))


@pytest.mark.parametrize("size", [3, 10_000])
def test_uint16_goes_as_it_is_to_a_peer_that_accepts_it_and_as_int32_to_others(size):
    array = np.linspace(0, 65535, size).astype(np.uint16)
    writer = response_writer("policy")
    for accepts, dtype, sent in ((False, pb.INT32, "<i4"), (True, pb.UINT16, "<u2")) * 2:
        frames = [bytes(each) for each in writer.frames({"x": array}, uint16=accepts)]
        (described,) = pb.ModelResponse.FromString(frames[1]).tensors
        assert described.dtype == dtype and described.byte_length == len(frames[2])
        np.testing.assert_array_equal(np.frombuffer(frames[2], sent), array)
        arrived = decode_result(parse_response(frames), frames)["x"]
        assert arrived.dtype == np.uint16
        np.testing.assert_array_equal(arrived, array)


@pytest.mark.parametrize(
    ("values", "dtype"), [([-1, 1], "<i4"), ([0, 65536], "<i4"), ([0.5, 1.0], "<f4")]
)
def test_what_was_no_uint16_is_not_cut_to_one(values, dtype):
    wire = pb.INT32 if dtype == "<i4" else pb.FLOAT32
    broken = tensor(dtype=wire, widened_from=pb.UINT16)
    message = pb.Observation(model_id="policy", tensors=[broken])
    frames = [b"", message.SerializeToString(), np.array(values, dtype).tobytes()]
    with pytest.raises(RejectedError, match="'x': its values do not fit uint16"):
        decode_values(parse_observation(frames), frames, LIMITS)


def test_an_image_of_16_bits_arrives_bit_for_bit():
    pytest.importorskip("PIL.Image", reason="Pillow is the [images] extra")
    from inferential_core.wire.images import decode, encode

    depth = np.random.default_rng(0).integers(0, 65536, (12, 10), np.uint16)
    arrived = round_trip({"depth": encode("depth", depth, "png")})["depth"]
    assert (arrived.dtype, arrived.shape) == (np.uint16, (12, 10))
    np.testing.assert_array_equal(decode(arrived), depth)
    with pytest.raises(WireError, match="'depth': .* not uint16"):
        encode("depth", depth, "jpeg")
    with pytest.raises(WireError, match="16 of one channel"):
        EncodedImage(bytes(arrived.data[:25]) + b"\x02" + bytes(arrived.data[26:]), "png")


def test_an_image_that_is_not_of_the_dtype_it_is_said_to_be_is_rejected():
    content = EncodedImage(jpeg_header(4, 6), "jpeg").data
    described = tensor(
        encoding=pb.JPEG, dtype=pb.UINT16, shape=[4, 6, 3], byte_length=len(content)
    )
    message = pb.Observation(model_id="policy", tensors=[described])
    frames = [b"", message.SerializeToString(), content]
    with pytest.raises(RejectedError, match="'x': the image is uint8"):
        decode_values(parse_observation(frames), frames, LIMITS)


def test_a_writer_does_not_keep_the_memory_of_all_that_it_wrote():
    writer = response_writer("policy")
    first, written = writer.message, 0
    while writer.message is first:  # protobuf frees strings with their message only
        writer.message.response_id = f"run-{written}"
        frames = writer.frames({"actions": np.arange(3.0), "note": "x" * 1000})
        written += 1
        assert written < 1000
    writer.message.response_id = "afterwards"
    frames = [bytes(each) for each in writer.frames({"actions": np.arange(3.0), "note": "y"})]
    message = parse_response(frames)
    assert message.response_id == "afterwards" and message.model_id == "policy"
    result = decode_result(message, frames)
    assert result["note"] == "y" and list(result["actions"]) == [0.0, 1.0, 2.0]


def test_a_description_seen_before_is_checked_against_the_bytes_and_limits_of_each_message():
    header = ObservationHeader("a", "m")
    frames = encode_observation(header, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)})
    message = parse_observation(frames)
    for _ in range(2):
        (x,) = decode_values(message, frames, DEFAULT_LIMITS).values()
        assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(RejectedError, match="'x': bytes 0 to 24 of a payload of 23 bytes"):
        decode_values(message, [*frames[:2], bytes(frames[2])[:-1]], DEFAULT_LIMITS)
    with pytest.raises(RejectedError, match="'x': payload frame 0 of 0"):
        decode_values(message, frames[:2], DEFAULT_LIMITS)
    with pytest.raises(RejectedError, match="'x': 2 dimensions, limit 1"):
        decode_values(message, frames, replace(DEFAULT_LIMITS, max_dimensions=1))
    twice = parse_observation(frames)
    twice.tensors.add().CopyFrom(twice.tensors[0])
    with pytest.raises(RejectedError, match="tensor 'x' is there twice"):
        decode_values(twice, frames, DEFAULT_LIMITS)
