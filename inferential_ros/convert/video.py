"""Video: H.264 and HEVC as cameras and transports send it, decoded on the robot by PyAV.

Each packet is decoded when it arrives, as the next ones are predicted from it; its picture becomes
an array only if somebody asks. After a loss nothing is shown until the next key frame: what a
decoder makes up meanwhile looks like a picture. PyAV (`pip install av`) is an extra.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from inferential_ros.convert.h264 import FrameNumbers
from inferential_ros.convert.image_shaping import read_shaping
from inferential_ros.convert.registry import Decode, InputError, NotYet, formed, input_converter
from inferential_ros.options.errors import ContractError
from inferential_ros.options.yaml_values import Section

ENCODINGS = ("h264", "h265", "hevc")  # of a sensor_msgs/Image that holds a packet
_CODECS = {"h264": "h264", "avc": "h264", "x264": "h264", "h265": "hevc", "hevc": "hevc"}
_CODECS["x265"] = "hevc"
_NAMED = re.compile(r"(?:lib)?(h264|avc|x264|h265|hevc|x265)")
_TICKS_S = Fraction(1, 10**9)
_MOST_WAITING = 64  # packets whose picture is not out yet


class Packet(NamedTuple):
    """What a message holds: its bytes, FFmpeg's name of their codec, when it was taken."""

    data: bytes
    codec: str
    stamp_ns: int


class Picture(NamedTuple):
    """A decoded frame, and the stamp of the packet that it came in."""

    frame: Any  # av.VideoFrame
    stamp_ns: int


class VideoStream:
    """Takes the packets of one topic; used by the thread that receives them.

    read: what a message holds, given it and the time that stands for a stamp it may lack.
    """

    def __init__(self, read: Callable[[Any, int], Packet]) -> None:
        self._read = read
        self._codec = ""
        self._decoder: Any = None
        self._numbers = FrameNumbers()
        self._stamps: dict[int, int] = {}  # of packets whose picture is not out yet, by number
        self._count = 0
        self._awaited = 0  # number from which on a key frame is to come
        self._waits = True
        self.losses = 0  # times that something was missing or broken
        self.delay_s = 0.0  # from the newest picture's packet to the newest packet

    def add(self, message: Any, stamp_ns: int) -> Picture | None:
        """The newest picture, if this packet brings one."""
        try:
            packet = self._read(message, stamp_ns)
        except ValueError:
            return None  # told when it is asked for
        self._begin(packet.codec)
        if packet.codec == "h264" and self._numbers.gap_before(packet.data):
            self._lose()
        newest: Picture | None = None
        for frame in self._decoded(packet):
            stamp = self._stamps.pop(frame.pts, packet.stamp_ns)
            if frame.key_frame:
                self._begin_anew(frame.pts)
            if not self._waits:
                newest = Picture(frame, stamp)
        if newest is not None:
            self.delay_s = max(0.0, (packet.stamp_ns - newest.stamp_ns) / 1e9)
        return newest

    def forget(self) -> None:
        """A new episode: pictures go on."""

    def report(self) -> dict[str, str]:
        """What /diagnostics tells of it."""
        waits = {"waits_for": "a key frame"} if self._waits else {}
        return {"losses": str(self.losses), "decoding_delay_s": f"{self.delay_s:.3f}", **waits}

    def _begin(self, codec: str) -> None:
        if codec == self._codec:
            return
        import av

        self._codec = codec
        self._decoder = av.CodecContext.create(codec, "r")
        self._decoder.thread_count = 1  # a frame is out with its packet, not some packets later
        self._numbers = FrameNumbers()
        self._waits = True

    def _decoded(self, packet: Packet) -> list[Any]:
        import av

        self._count += 1
        sent = av.Packet(packet.data)
        sent.pts, sent.time_base = self._count, _TICKS_S
        self._stamps[self._count] = packet.stamp_ns
        if len(self._stamps) > _MOST_WAITING:
            del self._stamps[next(iter(self._stamps))]
        try:
            frames = list(self._decoder.decode(sent))
        except av.error.FFmpegError:
            self._lose()
            return []
        if any(frame.is_corrupt for frame in frames):
            self._lose()
        return frames

    def _begin_anew(self, number: int) -> None:
        """The key frame of this packet is out; pictures of earlier ones never come."""
        missing = [each for each in self._stamps if each < number]
        for each in missing:
            del self._stamps[each]
        if missing and not self._waits:
            self.losses += 1
        if number >= self._awaited:
            self._waits = False

    def _lose(self) -> None:
        if not self._waits:
            self.losses += 1
        self._waits, self._awaited = True, self._count


def video_decoder(section: Section, read: Callable[[Any, int], Packet]) -> Decode:
    """The decoder of a topic of packets; its samples are a `VideoStream`'s pictures."""
    _need_av(section.at("type"))
    shaping = read_shaping(section)
    path = section.path

    def decode(sample: Any) -> Any:
        if not isinstance(sample, Picture):
            try:
                read(sample, 0)
            except ValueError as error:
                raise InputError(path, str(error)) from None
            raise NotYet(path, "no picture yet: the next key frame of the video is awaited")
        array: np.ndarray = sample.frame.to_ndarray(format="rgb24")
        box = shaping.box(*array.shape[:2])
        return shaping.shape(array[box.slices] if box else array, "rgb8")

    decode.collector = lambda: VideoStream(read)  # type: ignore[attr-defined]
    return formed(decode, *shaping.form({3}, {"u1"}), **shaping.sending)


def packet_of_image(message: Any, stamp_ns: int) -> Packet:
    """Of a sensor_msgs/Image whose encoding is a codec's name."""
    return Packet(bytes(message.data), _codec(message.encoding), stamp_ns)


@input_converter("foxglove_msgs/msg/CompressedVideo")
def compressed_video(section: Section, message: type[Any]) -> Decode:
    """Packets that have a stamp of their own, `timestamp`, in the place of a header."""

    def read(received: Any, stamp_ns: int) -> Packet:
        taken_ns = received.timestamp.sec * 10**9 + received.timestamp.nanosec
        return Packet(bytes(received.data), _codec(received.format), taken_ns or stamp_ns)

    return video_decoder(section, read)


@input_converter("ffmpeg_image_transport_msgs/msg/FFMPEGPacket")
def ffmpeg_packet(section: Section, message: type[Any]) -> Decode:
    """Packets of ffmpeg_image_transport."""

    def read(received: Any, stamp_ns: int) -> Packet:
        return Packet(bytes(received.data), _codec(received.encoding), stamp_ns)

    return video_decoder(section, read)


def _codec(name: str) -> str:
    """FFmpeg's decoder of what a message names, an encoder such as h264_nvenc or libx265 maybe.

    ffmpeg_image_transport adds the formats of pixels behind it, as in `hevc;yuv420p;bgr8;bgr8`.
    """
    found = _NAMED.match(name.strip().lower())
    if found is None:
        raise ValueError(f"video of the format {name!r} is not taken; H.264 and HEVC are")
    return _CODECS[found[1]]


def _need_av(path: str) -> None:
    try:
        import av  # noqa: F401
    except ImportError:
        raise ContractError(
            path, "video needs PyAV: pip install av, or inferential[video]"
        ) from None
