"""What a client knows of its conversation with the server, without any I/O.

An observation is pending from `observe` until its reply was taken, in the order of the
observations. Replies are matched by request id; a published server sends none, and its replies
are taken for the oldest unanswered observation of that model. What is abandoned is forgotten, so
that a late reply finds nothing.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..clock import Clock
from ..errors import UsageError, WireError
from ..status import Status
from ..wire.images import Buffer, encode
from ..wire.messages import (
    ObservationHeader,
    decode_result,
    observation_writer,
    parse_response,
    status_of,
)
from ..wire.nesting import NESTED_TYPES, flattened
from .clocksync import ClockOffset
from .handle import MOST, ModelOptions, ModelSession, counted
from .reply import AwaitedReply, Reply

# How long the answer may take that an interrupt may have cost.
_DOUBT_S = 1.0


class Question(NamedTuple):
    """A question beside the observations: whose reply to wait for, and what to send."""

    handle: ModelSession
    message: tuple[int, list[Buffer]]


class ClientSession:
    """One client's conversation: makes the frames to send, takes the frames that arrived."""

    def __init__(self, client_id: str | int, client_type: str, clock: Clock) -> None:
        self.client_id = checked_client_id(client_id)
        self._client_type = client_type
        self._clock = clock
        # not to be confused with those of an earlier life
        self.newest_id = int.from_bytes(os.urandom(4), "little") << 20
        self._session = int.from_bytes(os.urandom(7), "little") + 1
        self._clock_offset = ClockOffset()
        self._waiting: dict[int, tuple[ModelSession, AwaitedReply]] = {}
        self._server_accepts_frames = False
        self._server_accepts_uint16 = False
        self._server_accepts_farewell = False
        self.server_accepts_ping = False
        self.heard_at = -math.inf  # when the newest message came
        self.moves = 0  # to another server
        self.moved_why = ""
        self.moves_on = False  # there is another server to go to
        self.on_notice: Callable[[Any], None] = _unheard  # what ends no observation
        self.handles: weakref.WeakSet[ModelSession] = weakref.WeakSet()

    def open(self, model_id: str, options: ModelOptions) -> ModelSession:
        """A handle on a model, with the options of its observations; UsageError without an id."""
        if not model_id:
            raise UsageError("the model id must not be empty")
        handle = self._handle(model_id, options)
        self.handles.add(handle)
        return handle

    def _handle(self, model_id: str, options: ModelOptions, aside: bool = False) -> ModelSession:
        header = ObservationHeader(
            client_id=self.client_id,
            client_type=self._client_type,
            model_id=model_id,
            latency_budget_ms=options.latency_budget_ms or 0.0,
            control_period_ms=options.control_period_ms,
            supersede=options.supersede,
            session=self._session,
            accepts_frames=True,
            accepts_uint16=True,
            describe_model=aside,
            moves_on=self.moves_on,
        )
        return ModelSession(model_id, options, observation_writer(header))

    def observe(
        self,
        handle: ModelSession,
        values: dict[str, Any],
        urgency: float = 0.0,
        steps_remaining: int | None = None,
        priority: int | None = None,
    ) -> tuple[int, list[Buffer]]:
        """Request id and frames of a new observation, which is pending from now on.

        UsageError or WireError says what is wrong; then nothing is pending.
        """
        now = self._clock.now()
        request_id = self.newest_id + 1
        message = handle.writer.message
        # The same objects say the same: most robots give none of them, or no others.
        if urgency is not handle.urgency or priority is not handle.priority:
            handle.say(urgency, priority)
        if steps_remaining is not handle.steps_remaining:
            if steps_remaining is None:
                message.ClearField("steps_remaining")
            else:
                good = type(steps_remaining) is int and 0 <= steps_remaining <= MOST
                steps = steps_remaining if good else counted("steps_remaining", steps_remaining)
                message.steps_remaining = steps
            handle.steps_remaining = steps_remaining
        message.timestamp_ns = self._clock.wall_ns()
        message.request_id = request_id
        message.client_send_ns = int(now * 1e9)
        if self.moves:
            message.moves = self.moves
        offset = self._clock_offset.ns
        if offset != handle.clock_offset_ns:
            message.clock_offset_known = offset is not None
            message.clock_offset_ns = offset or 0
            handle.clock_offset_ns = offset
        for value in values.values():
            if isinstance(value, NESTED_TYPES):
                values = flattened(values, "observation")
                break
        encodings = handle.options.encode
        if encodings:
            values = {**values, **_compressed(values, encodings)}
        frames = handle.writer.frames(
            values,
            one_frame_each=self._server_accepts_frames,
            uint16=self._server_accepts_uint16,
        )
        self.newest_id = request_id
        if handle.pending and handle.pending[0].timed_out:
            self._abandon(handle, [item for item in handle.pending if item.timed_out])
        pending = AwaitedReply(request_id, now, now + handle.lost_after_s, handle.lost_why)
        self._waiting[request_id] = (handle, pending)
        handle.pending.append(pending)
        return request_id, frames

    def farewell(self) -> list[Buffer] | None:
        """What tells the server that this connection ends; None where it would not understand."""
        if not self._server_accepts_farewell:
            return None
        header = ObservationHeader(self.client_id, "", session=self._session, farewell=True)
        return observation_writer(header).frames({}, one_frame_each=False)

    def ping(self, model_id: str) -> list[Buffer]:
        """What asks a server whether it would take an observation for this model now."""
        header = ObservationHeader(self.client_id, "", session=self._session, ping=model_id)
        return observation_writer(header).frames({}, one_frame_each=False)

    def move(self, reason: str, except_for: Collection[int]) -> None:
        """Another server is asked from now on: nothing that this one was asked is answered."""
        self.moves, self.moved_why = self.moves + 1, reason
        self.lost(reason, except_for)
        self.heard_at = self._clock.now()

    def oldest(self) -> tuple[ModelSession, AwaitedReply] | None:
        """The observation that waits for its answer longest, and its handle."""
        return next(iter(self._waiting.values()), None)

    @property
    def waiting(self) -> int:
        """Observations that wait for an answer, or to be sent."""
        return len(self._waiting)

    def describe(self, handle: ModelSession) -> Question:
        """Ask for the specification of a handle's model, apart from its observations."""
        aside = self._handle(handle.model_id, ModelOptions(), aside=True)
        return Question(aside, self.observe(aside, {}))

    def control(self, request: str) -> Question:
        """Ask the server itself for something, see `inferential_core.control`."""
        handle = self._handle("", ModelOptions())
        handle.writer.message.control = request
        return Question(handle, self.observe(handle, {}))

    def reset(self, handle: ModelSession) -> int:
        """Begin a new epoch: what is pending is abandoned. Returns the epoch."""
        handle.epoch += 1
        handle.answered = False
        handle.writer.message.epoch = handle.epoch
        self._abandon(handle, list(handle.pending))
        return handle.epoch

    def feed(self, frames: Sequence[Buffer]) -> None:
        """Take in what arrived; what answers nothing that waits is dropped."""
        try:
            message = parse_response(frames)
        except WireError:
            return
        if not self._server_accepts_frames:  # the first reply of a link, or a published server
            self._server_accepts_frames = message.accepts_frames
            self._server_accepts_uint16 = message.accepts_uint16
            self._server_accepts_farewell = message.accepts_farewell
            self.server_accepts_ping = message.accepts_ping
        now = self.heard_at = self._clock.now()
        if message.pong or message.draining:
            self.on_notice(message)
            if message.pong or not message.model_id:
                return
        self._clock_offset.learn(
            message.client_send_ns,
            message.server_receive_ns,
            message.server_send_ns,
            int(now * 1e9),
        )
        request_id = message.request_id or self._oldest_of(message.model_id)
        asked = self._waiting.get(request_id)
        if asked is None:
            return
        handle, pending = asked
        if pending.status is not Status.WAITING:  # an interrupt came as it ended
            return
        offset = self._clock_offset.ns
        if offset is None:  # a published server tells no times
            offset = message.server_receive_ns - message.client_send_ns
        status, pending.error = status_of(message), message.error
        if status is Status.OK:
            handle.answered = True
            try:
                pending.result = decode_result(message, frames)
            except WireError as broken:
                status, pending.error = Status.ERROR, f"the reply cannot be read: {broken}"
        elif status is Status.REJECTED and self.moves_on and message.draining:
            status = Status.LOST  # the next server will take it
        pending.received_at, pending.message, pending.clock_offset_ns = now, message, offset
        pending.status = status
        del self._waiting[request_id]

    def lost(self, reason: str, except_for: Collection[int] = ()) -> None:
        """The server is gone: nothing that waits will be answered, but for what was never sent."""
        self._clock_offset.forget()
        self._server_accepts_frames = False
        self._server_accepts_uint16 = False
        self._server_accepts_farewell = False
        self.server_accepts_ping = False
        for request_id in list(self._waiting):
            if request_id not in except_for:
                self.lost_one(request_id, reason)

    def lost_one(self, request_id: int, reason: str) -> None:
        """This observation will not be answered; nothing happens if it does not wait."""
        entry = self._waiting.pop(request_id, None)
        if entry is not None and entry[1].status is Status.WAITING:
            entry[1].lose(self._clock.now(), reason)

    def answer_lost(self) -> None:
        """An interrupt came while an answer was read, so that nobody knows whose it was.

        A server answers each model's observations in their order. So the oldest one of each
        handle ends LOST, unless its answer comes soon after all.
        """
        doubted_until = self._clock.now() + _DOUBT_S
        oldest = {id(handle): pending for handle, pending in reversed(self._waiting.values())}
        for pending in oldest.values():
            if doubted_until < pending.lost_at:
                pending.lost_at = doubted_until
                pending.lost_why = "an interrupt came while its answer was read"

    def take(self, handle: ModelSession) -> AwaitedReply | None:
        """The oldest observation of a handle, which is pending no more; None if it still waits."""
        if not handle.pending:
            return None
        head = handle.pending[0]
        if head.status is Status.WAITING:
            now = self._clock.now()
            if now < head.lost_at:
                return None
            head.lose(now, head.lost_why)
        self._waiting.pop(head.request_id, None)
        return handle.pending.popleft()

    def so_far(self, handle: ModelSession, waited_ms: float, problem: str) -> Reply:
        """That the oldest observation of a handle, which goes on waiting, has not ended yet.

        problem: why there is no connection; '' where there is one, and the model is slow.
        """
        head = handle.pending[0]
        slow = "the server is there, and its model has not answered yet"
        why = f"no answer after {waited_ms:.0f} ms: {problem or slow}"
        head = replace(head, error=why, received_at=self._clock.now())
        return head.as_reply(handle.model_id, handle.epoch)

    def give_up(self, handle: ModelSession) -> None:
        """A blocking wait for the oldest observation timed out: the next one abandons it."""
        if handle.pending:
            handle.pending[0].timed_out = True

    def patience_s(self, handle: ModelSession) -> float:
        """After how long the oldest observation of a handle, which waits, counts as lost."""
        return handle.pending[0].lost_at - self._clock.now()

    def _oldest_of(self, model_id: str) -> int:
        """The oldest observation that a model has not answered; 0 where there is none."""
        for request_id, (handle, pending) in self._waiting.items():
            if handle.model_id == model_id and pending.status is Status.WAITING:
                return request_id
        return 0

    def _abandon(self, handle: ModelSession, items: list[AwaitedReply]) -> None:
        for item in items:
            handle.pending.remove(item)
            self._waiting.pop(item.request_id, None)


def _unheard(notice: Any) -> None:
    """Nobody listens to notices: there is no other server to go to."""


def _compressed(values: dict[str, Any], encodings: Mapping[str, str]) -> dict[str, Any]:
    """The arrays among `values` that are to travel compressed, compressed."""
    return {
        key: encode(key, values[key], encoding)
        for key, encoding in encodings.items()
        if isinstance(values.get(key), np.ndarray)
    }


def checked_client_id(client_id: str | int) -> str:
    """The id as a string; a new unique one for ''. UsageError if it cannot be an identity."""
    text = str(client_id)
    if not text:
        return f"client-{os.urandom(6).hex()}"
    if len(text.encode()) > 255:
        raise UsageError("client_id is longer than 255 bytes")
    if text[0] == "\0":
        raise UsageError("client_id must not begin with a zero byte")
    return text
