"""H.264 and HEVC: pictures of a stream, at the sizes and stamps they were taken, none made up."""

from __future__ import annotations

import threading
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
pytest.importorskip("av", reason="PyAV is not installed: pip install av")

import av
import rclpy
from sensor_msgs.msg import Image

from inferential_ros.bridge.inputs import Input, Inputs, NotNow
from inferential_ros.contract.draft_keys import drafted_key, refusal
from inferential_ros.contract.loading import parse_contract
from inferential_ros.convert.h264 import units
from inferential_ros.convert.registry import InputError, input_type
from inferential_ros.convert.video import VideoStream, packet_of_image
from inferential_ros.discovery import live
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section

MS = 1_000_000
PERIOD_NS = 33 * MS
HEIGHT, WIDTH = 96, 128
FAST = {"preset": "ultrafast", "tune": "zerolatency"}
REORDERED = {"preset": "medium", "bf": "2"}
HEVC = {"preset": "ultrafast", "x265-params": "bframes=0:log-level=none"}
STREAMS = {
    "h264": ("libx264", FAST),
    "h264 with B frames": ("libx264", REORDERED),
    "hevc": ("libx265", HEVC),
}


def picture(index: int) -> np.ndarray:
    """A grey level of its own, and a bar that moves."""
    pixels = np.full((HEIGHT, WIDTH, 3), 40 + 3 * index, np.uint8)
    pixels[:, 4 * index % WIDTH : 4 * index % WIDTH + 16] = 230
    return pixels


def encoded(encoder: str, options: dict[str, str], count: int = 40, every: int = 10):
    """Packets, each of one picture; a key frame `every` so many."""
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 30), Fraction(30)
    context.gop_size, context.options = every, dict(options)
    packets = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    return [bytes(packet) for packet in packets]


def message(data: bytes, index: int, encoding: str = "h264") -> Image:
    image = Image(encoding=encoding, height=HEIGHT, width=WIDTH)
    image.header.stamp.nanosec = (index + 1) * PERIOD_NS % 10**9
    image.header.stamp.sec = (index + 1) * PERIOD_NS // 10**9
    image.data = data
    return image


def stamp_ns(index: int) -> int:
    return (index + 1) * PERIOD_NS


def shown(packets, lost=(), encoding="h264"):
    """(index of the packet, picture) of each that brought one, and the stream."""
    stream = VideoStream(packet_of_image)
    found = []
    for index, data in enumerate(packets):
        if index not in lost:
            sample = stream.add(message(data, index, encoding), stamp_ns(index))
            if sample is not None:
                found.append((index, sample))
    return found, stream


def grey(sample) -> float:
    """The level of the picture, by which it is known: 3 between one and the next."""
    return float(np.median(sample.frame.to_ndarray(format="rgb24")[:, :, 1]))


@pytest.mark.parametrize("name", STREAMS)
def test_every_picture_comes_out_with_the_stamp_of_its_packet(name):
    encoder, options = STREAMS[name]
    packets = encoded(encoder, options)
    found, stream = shown(packets, encoding=name.split()[0])
    assert len(found) >= 36
    assert stream.losses == 0 and "waits_for" not in stream.report()
    if name != "h264 with B frames":
        assert [sample.stamp_ns for _, sample in found] == [stamp_ns(n) for n in range(40)]
        levels = [grey(sample) for _, sample in found]
        np.testing.assert_allclose(levels, [40 + 3 * n for n in range(40)], atol=2.5)
        assert stream.delay_s == 0.0
    else:
        assert 0 < stream.delay_s <= 5 * PERIOD_NS / 1e9
        stamps = [sample.stamp_ns for _, sample in found]
        assert len(set(stamps)) == len(stamps)


@pytest.mark.parametrize("name", ["h264", "hevc"])
@pytest.mark.parametrize("missing", [3, 9])
def test_after_a_loss_nothing_is_shown_until_the_next_key_frame(name, missing):
    packets = encoded(*STREAMS[name])
    found, stream = shown(packets, {missing}, name)
    indices = [index for index, _ in found]
    assert indices == [*range(missing), *range(10, 40)]
    np.testing.assert_allclose(
        [grey(sample) for _, sample in found], [40 + 3 * n for n in indices], atol=2.5
    )
    if missing == 3:
        assert stream.losses == 1


def test_a_lost_picture_of_a_reordered_stream_is_noticed():
    packets = encoded(*STREAMS["h264 with B frames"])
    heads = [next(units(data))[0] for data in packets]
    refers = [head & 31 == 1 and bool(head & 0x60) for head in heads]  # others to it
    missing = next(index for index, kind in enumerate(refers) if kind and index > 12)
    _, stream = shown(packets, {missing})
    assert stream.losses == 1
    found, stream = shown(packets, {heads.index(1, 12)})  # nothing is predicted from this one
    assert stream.losses == 0 and len(found) >= 35


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_who_comes_in_the_middle_waits_for_a_key_frame(name):
    packets = encoded(*STREAMS[name])
    found, stream = shown(packets, set(range(4)), name)
    assert [index for index, _ in found] == list(range(10, 40))
    assert stream.losses == 0


def test_a_broken_packet_is_a_loss_and_no_end():
    packets = encoded(*STREAMS["h264"])
    packets[14] = packets[14][:5] + bytes(200)
    found, stream = shown(packets)
    indices = [index for index, _ in found]
    assert indices == [*range(14), *range(20, 40)]
    assert stream.losses == 1


def contract(**options):
    camera = {"topic": "c", "type": "sensor_msgs/msg/Image", "encodings": ["h264"], **options}
    output = {"topic": "o", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
    return parse_contract(
        {
            "model": {"id": "policy"},
            "observation": {"keys": {"camera": camera}},
            "action": {"names": ["a"], "rate_hz": 50, "outputs": [output]},
        }
    )


def test_a_key_of_a_contract_reads_a_video():
    inputs = Inputs(contract(crop={"width": 64, "height": 48}))
    packets = encoded(*STREAMS["h264"])
    inputs.store(0, message(packets[1], 1), stamp_ns(1))
    with pytest.raises(NotNow, match="no picture yet: the next key frame"):
        inputs.assemble(inputs.take(stamp_ns(1)), stamp_ns(1))
    for index, data in enumerate(packets[10:], start=10):
        inputs.store(0, message(data, index), stamp_ns(index))
    values, at = inputs.assemble(inputs.take(stamp_ns(39)), stamp_ns(39))
    assert at == stamp_ns(39)
    assert values["camera"].shape == (48, 64, 3) and values["camera"].dtype == np.uint8
    assert abs(np.median(values["camera"]) - (40 + 3 * 39)) < 3
    item: Input = inputs.topics[0]
    assert item.report() == {"losses": "0", "decoding_delay_s": "0.000"}


@pytest.fixture
def told_live(monkeypatch, tmp_path):
    """What `check_live` tells of a contract's topics while these packets are published."""
    monkeypatch.setattr(live, "DISCOVERY_S", 0.0)  # a packet without a picture counts at once
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("camera", context=context)
    publisher = node.create_publisher(Image, "c", 10)

    def tell(packets):
        left = list(enumerate(packets))

        def publish() -> bool:
            if publisher.get_subscription_count():
                index, data = left.pop(0)
                publisher.publish(message(data, index))
            return not left

        return live.check_live(node, contract(), 60.0, publish)

    yield tell
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_a_video_whose_next_key_frame_is_awaited_is_no_mistake_of_the_contract(told_live):
    without = encoded(*STREAMS["h264"])[1:10]
    (camera, output) = told_live(without)
    assert camera == (
        "observation.keys.camera: not checked: no picture yet: the next key frame of the video"
        " is awaited"
    )
    assert output.startswith("action.outputs[0]: nobody subscribes")


def test_a_drafted_contract_takes_a_video_that_is_between_two_key_frames():
    frame = message(encoded("libx264", FAST, count=3)[1], 1)
    seen = SimpleNamespace(type="sensor_msgs/msg/Image", sample=frame)
    assert refusal(seen, "camera", drafted_key(seen)) == ""


def test_a_video_is_looked_at_as_soon_as_it_shows_a_picture(told_live):
    (output,) = told_live(encoded(*STREAMS["h264"])[1:])
    assert output.startswith("action.outputs[0]: nobody subscribes")


def test_an_image_that_is_no_video_is_named_when_it_comes():
    inputs = Inputs(contract())
    inputs.store(0, message(b"abc", 1, "rgb8"), stamp_ns(1))
    with pytest.raises(InputError, match="'rgb8' is not taken; H.264 and HEVC are"):
        inputs.assemble(inputs.take(stamp_ns(1)), stamp_ns(1))


def test_pictures_and_video_do_not_mix_in_one_key():
    with pytest.raises(ContractError, match="'rgb8' is a picture of its own"):
        contract(encodings=["h264", "rgb8"])


def of_type(name: str, **fields):
    """The decoder of a type, and what becomes of a stream of its messages."""
    section = Section({}, "key")
    decode = input_type(name).make(section, SimpleNamespace)
    stream = decode.collector()
    for index, data in enumerate(encoded(*STREAMS["hevc"], count=12)):
        sample = stream.add(SimpleNamespace(data=data, **fields), stamp_ns(index))
    return decode(sample), sample


def test_compressed_video_of_foxglove_has_a_stamp_of_its_own():
    stamp = SimpleNamespace(sec=7, nanosec=5)
    array, sample = of_type("foxglove_msgs/msg/CompressedVideo", format="h265", timestamp=stamp)
    assert array.shape == (HEIGHT, WIDTH, 3) and sample.stamp_ns == 7 * 10**9 + 5


@pytest.mark.parametrize("encoding", ["hevc", "libx265", "hevc_nvenc", "hevc;yuv420p;bgr8;bgr8"])
def test_a_packet_of_ffmpeg_image_transport_names_its_codec_in_several_ways(encoding):
    array, sample = of_type("ffmpeg_image_transport_msgs/msg/FFMPEGPacket", encoding=encoding)
    assert abs(np.median(array) - (40 + 3 * 11)) < 3 and sample.stamp_ns == stamp_ns(11)


def test_over_dds_a_model_sees_the_video_and_nothing_made_up_after_a_loss(graph, make_rig):
    camera = "camera: {topic: camera, type: sensor_msgs/msg/Image, encodings: [h264]}"
    rig = make_rig(changes={"  keys:\n": f"  keys:\n    {camera}\n"})
    publisher = graph.publisher(Image, "/r/camera", 50)
    rig.run()
    graph.matched(publisher)
    packets = encoded(*STREAMS["h264"])

    def publish(indices) -> None:
        for index in indices:
            image = message(packets[index], index)
            image.header.stamp = graph.node.get_clock().now().to_msg()
            publisher.publish(image)
            threading.Event().wait(0.02)  # the camera's period

    def seen() -> set[int]:
        levels = (float(np.median(each["camera"][:, :, 1])) for each in list(rig.seen))
        return {round((level - 40) / 3) for level in levels}

    publish(index for index in range(40) if index != 13)
    shown = seen()
    for _ in range(20):
        if 39 in shown:
            break
        publish(range(30, 40))
        shown = seen()
    assert 39 in shown
    assert not shown & {*range(13, 20)}
    rig.diagnostics.wait(
        lambda report: any(
            pair.key == "losses" and int(pair.value) >= 1
            for status in report.status
            for pair in status.values
        )
    )
