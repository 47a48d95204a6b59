"""Observations that are broken in every way we could think of, from one seed."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from inferential_core import EncodedImage
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation

Frames = list[bytes]

EXTREMES = (0, 1, 2, 3, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
ODD_FLOATS = (0.0, -1.0, 0.5, 1e30, -1e30, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", "policy", "poliçy", "x" * 300, "\0zero", "другой", "robot-1")


def valid_observations() -> list[Frames]:
    """What the mutations start from: every shape of message that clients send."""
    state = {"x": np.arange(6, dtype=np.float32)}
    several = {**state, "mask": np.ones(3, bool), "text": "pick it up", "y": np.float16([1, 2])}
    image = {"camera": EncodedImage(_jpeg(), "jpeg", (16, 24, 3)), **state}
    plain = ObservationHeader("fuzz", "policy")
    full = ObservationHeader(
        "fuzz",
        "policy",
        client_type="arm",
        urgency=0.5,
        steps_remaining=7,
        priority=1,
        request_id=1,
        latency_budget_ms=50.0,
        control_period_ms=20.0,
        epoch=2,
        client_send_ns=1,
        session=3,
        accepts_frames=True,
        clock_offset_ns=5,
    )
    made = [
        encode_observation(plain, state),
        encode_observation(plain, several),
        encode_observation(full, several),
        encode_observation(full, several, one_frame_each=True),
        encode_observation(full, image),
        encode_observation(replace(full, supersede=True), {}),
    ]
    return [[bytes(frame) for frame in frames] for frames in made]


def _jpeg() -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(data, "JPEG")
    return data.getvalue()


class Mutations:
    """`next()` makes the frames of one message."""

    def __init__(self, seed: int, valid: list[Frames] | None = None) -> None:
        self._random = random.Random(seed)
        self._valid = valid or valid_observations()
        self._kinds: list[Callable[[Frames], Frames]] = [
            self._flip_bits,
            self._truncate,
            self._insert_bytes,
            self._shuffle_frames,
            self._replace_by_noise,
            self._lie_about_a_tensor,
            self._lie_in_the_header,
            self._leave_alone,
        ]

    def next(self) -> Frames:
        return self.change(list(self._random.choice(self._valid)))

    def change(self, frames: Frames) -> Frames:
        """These frames, once or several times broken."""
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            frames = self._random.choice(self._kinds)(frames)
        return frames

    def _some(self, frames: Frames) -> int:
        """Which frame; mostly not the empty first one."""
        return self._random.randrange(min(1, len(frames) - 1), len(frames))

    def _flip_bits(self, frames: Frames) -> Frames:
        index = self._some(frames)
        frame = bytearray(frames[index])
        for _ in range(self._random.randint(1, 8) if frame else 0):
            frame[self._random.randrange(len(frame))] ^= 1 << self._random.randrange(8)
        return [*frames[:index], bytes(frame), *frames[index + 1 :]]

    def _truncate(self, frames: Frames) -> Frames:
        index = self._some(frames)
        frame = frames[index][: self._random.randint(0, len(frames[index]))]
        return [*frames[:index], frame, *frames[index + 1 :]]

    def _insert_bytes(self, frames: Frames) -> Frames:
        index = self._some(frames)
        frame, noise = frames[index], self._random.randbytes(self._random.randrange(1, 40))
        at = self._random.randint(0, len(frame))
        return [*frames[:index], frame[:at] + noise + frame[at:], *frames[index + 1 :]]

    def _shuffle_frames(self, frames: Frames) -> Frames:
        kind = self._random.randrange(4)
        if kind == 0:
            return frames[: self._random.randint(1, len(frames))]
        if kind == 1:
            return frames + frames[1:] * self._random.randint(1, 20)
        if kind == 2:
            return [self._random.randbytes(self._random.randrange(20)), *frames]
        return self._random.sample(frames, len(frames))

    def _replace_by_noise(self, frames: Frames) -> Frames:
        noise = self._random.randbytes(self._random.randrange(300))
        return [b"", noise, *frames[2:]] if self._random.random() < 0.7 else [noise]

    def _lie_about_a_tensor(self, frames: Frames) -> Frames:
        def lie(message: Any) -> None:
            tensor = self._random.choice(message.tensors) if message.tensors else None
            if tensor is None:
                tensor = message.tensors.add()
            pick = self._random.choice
            kind = self._random.randrange(6)
            if kind == 0:
                sizes = [pick(EXTREMES) * pick((1, 1, -1)) for _ in range(pick((0, 1, 3, 40)))]
                del tensor.shape[:]
                tensor.shape.extend(sizes)
            elif kind == 1:
                tensor.byte_offset = pick((*EXTREMES, 2**64 - 1))
            elif kind == 2:
                tensor.byte_length = pick((*EXTREMES, 2**64 - 1))
            elif kind == 3:
                tensor.dtype = pick((0, 1, 4, 5, 8, 9, 2**31 - 1))
            elif kind == 4:
                tensor.encoding = pick((0, 2, 3, 4, 2**31 - 1))
            else:
                tensor.frame = pick((1, 2, 100, 2**32 - 1))
            if self._random.random() < 0.05:
                message.tensors.extend([tensor] * 100)

        return self._changed(frames, lie)

    def _lie_in_the_header(self, frames: Frames) -> Frames:
        pick = self._random.choice

        def lie(message: Any) -> None:
            kind = self._random.randrange(9)
            if kind == 0:
                message.client.id = pick((*TEXTS, f"robot-{self._random.randrange(50_000)}"))
            elif kind == 1:
                message.model_id = pick(TEXTS)
            elif kind == 2:
                message.urgency = pick(ODD_FLOATS)
            elif kind == 3:
                message.latency_budget_ms = pick(ODD_FLOATS)
                message.control_period_ms = pick(ODD_FLOATS)
            elif kind == 4:
                message.request_id = pick((*EXTREMES, 2**64 - 1))
            elif kind == 5:
                message.priority = message.steps_remaining = pick((0, 1, 2**31, 2**32 - 1))
            elif kind == 6:
                message.session = self._random.randrange(2**64)
                message.epoch = self._random.randrange(2**32)
            elif kind == 7:
                message.client_send_ns = pick((*EXTREMES, 2**64 - 1))
                message.clock_offset_ns = pick((*EXTREMES, -(2**63)))
                message.clock_offset_known = message.describe_model = pick((True, False))
            else:
                count = pick((1, 3, 200))
                message.metadata.update({f"{pick(TEXTS)}{n}": "y" * n for n in range(count)})

        return self._changed(frames, lie)

    def _changed(self, frames: Frames, change: Callable[[Any], None]) -> Frames:
        """The frames with another envelope; as they are where there is none any more."""
        try:
            message = pb.Observation.FromString(frames[1])
        except Exception:
            return frames
        change(message)
        return [frames[0], message.SerializeToString(), *frames[2:]]

    def _leave_alone(self, frames: Frames) -> Frames:
        return frames
