"""Observations that are broken in every way we could think of, from one seed."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor as Field

from inferential_core import EncodedImage
from inferential_core.errors import MalformedError
from inferential_core.wire import inferential_pb2 as pb
from inferential_core.wire.messages import ObservationHeader, encode_observation, parse_observation

Frames = list[bytes]

EXTREMES = (0, 1, 2, 3, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
ODD_FLOATS = (0.0, -1.0, 0.5, 1e30, -1e30, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", "policy", "poliçy", "x" * 300, "\0zero", "другой", "robot-1")
CHOICES = (0, 1, 2, 3, 4, 5, 8, 9, 2**31 - 1)  # of an enumeration
NAMES = 50_000  # of clients
INTEGERS = {  # bits, and whether one of them is a sign
    Field.CPPTYPE_INT32: (32, True),
    Field.CPPTYPE_INT64: (64, True),
    Field.CPPTYPE_UINT32: (32, False),
    Field.CPPTYPE_UINT64: (64, False),
}


def valid_observations() -> list[Frames]:
    """What the mutations start from: every shape of message that clients send."""
    state = {"x": np.arange(6, dtype=np.float32)}
    several = {**state, "mask": np.ones(3, bool), "text": "pick it up", "y": np.float16([1, 2])}
    image = {"camera": EncodedImage(_jpeg(), "jpeg", (16, 24, 3)), **state}
    plain = ObservationHeader("fuzz", "policy")
    asked = {"client_type": "arm", "urgency": 0.5, "steps_remaining": 7, "priority": 1}
    asked |= {"request_id": 1, "latency_budget_ms": 50.0, "control_period_ms": 20.0, "epoch": 2}
    asked |= {"client_send_ns": 1, "session": 3, "accepts_frames": True, "clock_offset_ns": 5}
    full = replace(plain, **asked)
    made = [
        encode_observation(plain, state),
        encode_observation(plain, several),
        encode_observation(full, several),
        encode_observation(full, several, one_frame_each=True),
        encode_observation(full, image),
        encode_observation(replace(full, supersede=True), {}),
    ]
    made.append(encode_observation(replace(plain, model_id="", farewell=True), {}))
    return [[bytes(frame) for frame in frames] for frames in made]


def counts(frames: Frames) -> bool:
    """Whether the server's counters tell of these frames: of all but farewells and pings."""
    try:
        message = parse_observation(frames)
    except MalformedError:
        return True
    return not (message.farewell or message.ping)


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
            self._break_bytes,
            self._shuffle_frames,
            self._replace_by_noise,
            self._lie,
            self._lie,
            lambda frames: frames,
        ]

    def next(self) -> Frames:
        return self.change(list(self._random.choice(self._valid)))

    def change(self, frames: Frames) -> Frames:
        """These frames, once or several times broken."""
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            (kind,) = self._random.choices(self._kinds, (3, 1, 1, 1, 1, 1))
            frames = kind(frames)
        return frames

    def _break_bytes(self, frames: Frames) -> Frames:
        """Of one frame, mostly not the empty first one: bits flipped, the end cut, some put in."""
        chance = self._random
        index = chance.randrange(min(1, len(frames) - 1), len(frames))
        frame, at = bytearray(frames[index]), chance.randint(0, len(frames[index]))
        kind = chance.randrange(3)
        if kind == 0:
            for _ in range(chance.randint(1, 8) if frame else 0):
                frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del frame[at:]
        else:
            frame[at:at] = chance.randbytes(chance.randrange(1, 40))
        return [*frames[:index], bytes(frame), *frames[index + 1 :]]

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

    def _lie(self, frames: Frames) -> Frames:
        """A field of the envelope or of a tensor says something odd, if there is an envelope."""
        try:
            message = pb.Observation.FromString(frames[1])
        except Exception:
            return frames
        if self._random.random() < 0.5:
            self._lie_in(message)
        else:
            tensors = message.tensors
            tensor = self._random.choice(tensors) if tensors else tensors.add()
            self._lie_in(tensor)
            if self._random.random() < 0.05:
                tensors.extend([tensor] * 100)
        return [frames[0], message.SerializeToString(), *frames[2:]]

    def _lie_in(self, message: Any) -> None:
        pick = self._random.choice
        field = pick(message.DESCRIPTOR.fields)
        value = getattr(message, field.name)
        if field.name == "metadata":
            value.update({f"{pick(TEXTS)}{n}": "y" * n for n in range(pick((1, 3, 200)))})
        elif field.name == "tensors":
            self._lie_in(value.add())
        elif field.message_type:
            self._lie_in(value)
        elif hasattr(value, "extend"):
            del value[:]
            value.extend(self._odd(field) for _ in range(pick((0, 1, 3, 40))))
        else:
            setattr(message, field.name, self._odd(field))

    def _odd(self, field: Field) -> Any:
        """A value of the field's type that few senders mean."""
        pick = self._random.choice
        if field.cpp_type in INTEGERS:
            bits, signed = INTEGERS[field.cpp_type]
            number = pick((*EXTREMES, self._random.randrange(2**64))) * pick((1, 1, -1)) % 2**bits
            return number - 2**bits if signed and number >= 2 ** (bits - 1) else number
        if field.cpp_type == Field.CPPTYPE_STRING:
            return pick((*TEXTS, f"robot-{self._random.randrange(NAMES)}"))
        if field.cpp_type == Field.CPPTYPE_ENUM:
            return pick(CHOICES)
        return pick((True, False)) if field.cpp_type == Field.CPPTYPE_BOOL else pick(ODD_FLOATS)
