"""What the handles on a model of the blocking and the asyncio client have in common.

Whatever waits for a reply is written once, as a generator: it yields until when to sleep at most,
by the monotonic clock, and returns the answer. The two clients differ in how they sleep.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Generator
from typing import Any, TypeVar

from ..errors import UsageError
from ..status import Status
from .base import BaseConnection
from .handle import ModelSession
from .reply import AwaitedReply, Reply

T = TypeVar("T")
Waiting = Generator[float, None, T]
AT_ONCE = -math.inf  # the deadline of whoever does not wait


class BaseModel:
    """A handle on one model; made by `model` of a connection."""

    def __init__(self, connection: BaseConnection[Any], handle: ModelSession) -> None:
        # Not the connection itself, which ends with the last that knows it.
        self._session, self._socket = connection._session, connection._socket
        self._owner = connection._owner
        self._handle = handle

    @property
    def model_id(self) -> str:
        """The id of the model that is asked."""
        return self._handle.model_id

    @property
    def epoch(self) -> int:
        """The number of the current episode; `reset` begins the next one."""
        return self._handle.epoch

    def reset(self) -> int:
        """Begin a new episode: replies to earlier observations never come out. Returns its number.

        A stateful model starts afresh with the first observation of the new epoch.
        """
        return self._session.reset(self._handle)

    def _observe(
        self,
        values: dict[str, Any],
        urgency: float,
        steps_remaining: int | None,
        priority: int | None,
    ) -> int:
        handle, next_id = self._handle, self._session.newest_id + 1
        try:
            request_id, frames = self._session.observe(
                handle, values, urgency, steps_remaining, priority
            )
            self._socket.send(request_id, frames, supersede=handle.options.supersede)
        except BaseException:  # an interrupt, too, must leave nothing that waits for ever
            self._session.lost_one(next_id, "it was not sent")
            raise
        return request_id

    def _result(self, timeout_ms: float | None) -> Waiting[dict[str, Any] | None]:
        handle, until = self._handle, deadline(timeout_ms)
        if until == AT_ONCE:
            self._socket.drain()
        while True:
            ended = self._session.take(handle)
            if ended is not None:
                if ended.status is Status.SUPERSEDED:
                    continue  # its successor's reply is the answer
                return ended.as_result()
            if not handle.pending or time.monotonic() >= until:
                if until != AT_ONCE:
                    self._socket.warn_if_absent()
                    self._session.give_up(handle)
                return None
            yield self._patience(until)

    def _reply_at_hand(self) -> Reply | None:
        """How the oldest unanswered observation ended, if it has, without waiting."""
        handle = self._handle
        self._socket.drain()
        ended = self._session.take(handle)
        return None if ended is None else ended.as_reply(handle.model_id, handle.epoch)

    def _reply(self, timeout_ms: float | None) -> Waiting[Reply | None]:
        handle, until = self._handle, deadline(timeout_ms)
        while True:
            ended = self._session.take(handle)
            if ended is not None:
                return ended.as_reply(handle.model_id, handle.epoch)
            if not handle.pending:
                return None
            if time.monotonic() >= until:
                assert timeout_ms is not None  # that deadline is never over
                return self._session.so_far(handle, timeout_ms, self._socket.problem)
            yield self._patience(until)

    def _patience(self, until: float) -> float:
        """Until when to sleep at most before the next look at what waits."""
        lost_at = time.monotonic() + self._session.patience_s(self._handle)
        return self._socket.patience(min(until, lost_at))

    def _specification(self, timeout_ms: float) -> Waiting[dict[str, Any]]:
        until = deadline(timeout_ms)
        question = self._session.describe(self._handle)
        self._socket.send(*question.message, supersede=False)
        yield AT_ONCE  # sending may have taken away the signal of what arrived for others
        while (ended := self._session.take(question.handle)) is None:
            if time.monotonic() >= until:
                why = f": {problem}" if (problem := self._socket.problem) else ""
                raise TimeoutError(
                    f"no specification of {self.model_id!r} in {timeout_ms:.0f} ms{why}"
                )
            yield self._socket.patience(until)
        return _specification_in(self.model_id, ended)


def deadline(timeout_ms: float | None) -> float:
    """When a wait of so long is over, by the monotonic clock, in s: inf for None, AT_ONCE for 0
    or less. UsageError where it is no number of milliseconds.
    """
    if timeout_ms is None:
        return math.inf
    try:
        if timeout_ms > 0:
            return time.monotonic() + timeout_ms / 1000.0
        if timeout_ms <= 0:
            return AT_ONCE
    except (TypeError, ValueError):
        pass  # nor is NaN any
    raise UsageError(f"timeout_ms must be a number of milliseconds or None, not {timeout_ms!r}")


def _specification_in(model_id: str, ended: AwaitedReply) -> dict[str, Any]:
    """The specification that the reply tells; UsageError with the reason if it tells none."""
    if ended.result is None:
        raise UsageError(f"the server gave no specification of {model_id!r}: {ended.error}")
    try:
        specification: dict[str, Any] = json.loads(ended.result["specification"])
    except (KeyError, ValueError):
        raise UsageError(f"the server knows no specifications, so none of {model_id!r}") from None
    return specification
