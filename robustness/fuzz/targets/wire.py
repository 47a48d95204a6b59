"""The wire decoder, on both ends, and the way of a message into the pipeline.

A message is decoded or refused by name, never anything else; what was decoded lies within the
bytes that came and means the same when it is sent on; a server that takes it in counts it once.
An input is the message's frames, each behind its length in two bytes.
"""

from __future__ import annotations

import logging
import random
import struct
from collections.abc import Sequence

import numpy as np

from inferential_core import InferentialConfig
from inferential_core.client.handle import ModelOptions
from inferential_core.client.session import ClientSession
from inferential_core.clock import FakeClock
from inferential_core.dispatch.base import Batch, Completion, Dispatcher, ModelInfo, OnDone
from inferential_core.errors import MalformedError, RejectedError, WireError
from inferential_core.metrics.recorder import Recorder
from inferential_core.metrics.store import MetricsStore
from inferential_core.pipeline.pipeline import Pipeline
from inferential_core.scheduler.base import create_scheduler
from inferential_core.server.status_report import report
from inferential_core.status import Status
from inferential_core.transport.memory import MemoryTransport
from inferential_core.wire.images import EncodedImage
from inferential_core.wire.limits import Limits
from inferential_core.wire.messages import (
    STATUS_TO_WIRE,
    ObservationHeader,
    decode_result,
    decode_values,
    encode_observation,
    parse_observation,
    response_writer,
)
from robustness.fuzz.mutations import Mutations, counts, valid_observations

LIMITS = Limits()
_VALID = valid_observations()
RENEWED_AFTER = 5_000  # messages; a pipeline remembers clients


def seeds() -> list[bytes]:
    replies = []
    for status in (Status.OK, Status.ERROR):
        writer = response_writer("policy")
        writer.message.status = STATUS_TO_WIRE[status]
        replies.append([bytes(each) for each in writer.frames({"actions": np.zeros((2, 3))})])
    return [joined(frames) for frames in (*_VALID, *replies)]


def joined(frames: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack("<H", len(frame)) + frame for frame in frames)


def split(data: bytes) -> list[bytes]:
    """The last frame is what is left, however long it says it is."""
    frames = []
    while data:
        length = struct.unpack("<H", data[:2].ljust(2, b"\0"))[0]
        frames.append(data[2 : 2 + length])
        data = data[2 + length :]
    return frames


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Lies about tensors and in headers, which random bytes seldom are."""
    mutations = Mutations(chance.randrange(2**32), _VALID)
    frames = split(data)
    changed = mutations.change(frames) if frames else mutations.next()
    return joined([frame[:65535] for frame in changed])


def check(data: bytes) -> None:
    global _HOUSE
    frames = split(data)
    _decode(frames)
    _HOUSE = _House() if _HOUSE.taken >= RENEWED_AFTER else _HOUSE
    _HOUSE.take(frames)
    session = ClientSession("fuzz", "", FakeClock(1.0))
    session.observe(session.open("policy", ModelOptions()), {})
    session.feed(frames)


def _decode(frames: list[bytes]) -> None:
    try:
        message = parse_observation(frames)
    except MalformedError:
        return
    try:
        values = decode_values(message, frames, LIMITS)
    except RejectedError as error:
        assert str(error)
    else:
        _check_values(values, sum(map(len, frames)))
    try:
        decode_result(message, frames)  # tensors are described alike in both messages
    except WireError:
        pass


def _check_values(values: dict, received: int) -> None:
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            assert value.nbytes <= received, f"{key!r} is larger than what came"
        elif isinstance(value, EncodedImage):
            assert len(value.data) <= received
    try:
        sent = encode_observation(ObservationHeader("fuzz", "policy"), values)
    except WireError as error:
        raise AssertionError(f"what was decoded cannot be sent: {error}") from error
    frames = [bytes(frame) for frame in sent]
    again = decode_values(parse_observation(frames), frames, LIMITS)
    assert again.keys() == values.keys()
    for key, value in values.items():
        if isinstance(value, np.ndarray):
            assert again[key].dtype == value.dtype and again[key].shape == value.shape
            assert again[key].tobytes() == value.tobytes()


class _Answering(Dispatcher):
    """Keeps the batches until they are asked for."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def start(self, on_done: OnDone) -> None:
        pass

    def models(self) -> dict[str, ModelInfo]:
        return {"policy": ModelInfo("policy", max_batch=8)}

    def submit(self, batch: Batch) -> None:
        self.batches.append(batch)

    def close(self) -> None:
        pass


class _House:
    """A pipeline without socket and thread, made anew now and then."""

    def __init__(self) -> None:
        logging.disable(logging.CRITICAL)
        config = InferentialConfig()
        self.taken = 0
        self.clock = FakeClock(100.0)
        self.dispatcher = _Answering()
        scheduler = create_scheduler(config.scheduling)
        scheduler.clock = self.clock
        recorder = Recorder(MetricsStore(100, self.clock))
        parts = (MemoryTransport(), scheduler, self.dispatcher, self.clock, recorder)
        self.pipeline = Pipeline(config, *parts)

    def take(self, frames: list[bytes]) -> None:
        """A message in, everything on its way to an end, and the sum is right."""
        self.taken += counts(frames)
        pipeline = self.pipeline
        pipeline.on_message(b"fuzz", frames)
        pipeline.form_batches()
        pipeline.dispatch()
        self.clock.advance(0.01)
        while self.dispatcher.batches:
            batch = self.dispatcher.batches.pop()
            results = [{"actions": np.zeros((2, 3), np.float32)} for _ in batch.requests]
            pipeline.on_completion(Completion(batch, results, 0.01))
        pipeline.on_timer()
        ledger = pipeline.ledger
        queued, in_flight = len(pipeline.scheduler.pending), pipeline.in_flight()
        assert ledger.balance(queued, in_flight) == 0, "an observation is unaccounted"
        assert ledger.received + ledger.malformed == self.taken, "a message was counted twice"
        if self.taken % 100 == 0:
            report(pipeline, self.clock.now())


_HOUSE = _House()
