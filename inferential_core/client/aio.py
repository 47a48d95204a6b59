"""The asyncio client: `AsyncConnection` and its `AsyncModel` handles."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

from .base import BaseConnection, Owner, ServerLink
from .base_model import AT_ONCE, BaseModel, T, Waiting, deadline
from .handle import ModelSession
from .reply import Reply


class _Ears:
    """Feeds the session with what arrives, on the event loop, and tells who sleeps."""

    def __init__(self, socket: ServerLink, owner: Owner) -> None:
        self._socket = socket
        self._owner = owner
        self._loop: asyncio.AbstractEventLoop | None = None
        self._filenos = (-1, -1)
        self._arrived = asyncio.Event()

    def listen(self) -> None:
        """Take in what is there; have the running loop do so from now on."""
        self._owner.check()
        self._socket.drain()
        if self._socket.filenos() is not self._filenos:  # the first time, and at another server
            self._hear()
        # For the tasks that sleep while this one drained. Each sleeps on the event it found, so
        # that none clears what another has not seen.
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def _hear(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        else:
            self._ignore(self._loop)
        self._filenos = self._socket.filenos()
        for fd in self._filenos:
            self._loop.add_reader(fd, self.listen)
        self._socket.drain()  # what came before that

    def _ignore(self, loop: asyncio.AbstractEventLoop) -> None:
        for fd in self._filenos:
            loop.remove_reader(fd)

    async def sleep(self, until: float) -> None:
        """Until something arrives, or until then, by the monotonic clock."""
        seconds = None if until == math.inf else max(0.0, until - time.monotonic())
        try:
            await asyncio.wait_for(self._arrived.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    def close(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._ignore(self._loop)
        self._arrived.set()


class AsyncConnection(BaseConnection["AsyncModel"]):
    __doc__ = BaseConnection.__doc__

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ears = _Ears(self._socket, self._owner)
        self._closed = False

    def _make(self, handle: ModelSession) -> AsyncModel:
        return AsyncModel(self, handle)

    def close(self) -> None:
        """Close the socket; always returns. What still waits ends LOST. Idempotent."""
        if not self._closed:
            self._closed = True
            self._ears.close()
            self._close()

    async def __aenter__(self) -> AsyncConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncModel(BaseModel):
    """A handle on one model; made by `AsyncConnection.model`. Arguments as of `Model`."""

    def __init__(self, connection: AsyncConnection, handle: ModelSession) -> None:
        super().__init__(connection, handle)
        self._ears = connection._ears

    async def observe(
        self,
        urgency: float = 0.0,
        steps_remaining: int | None = None,
        priority: int | None = None,
        **values: Any,
    ) -> int:
        """Send an observation; see `Model.observe`."""
        self._owner.check()
        request_id = self._observe(values, urgency, steps_remaining, priority)
        self._ears.listen()  # sending may have swallowed the edge that announces an arrival
        return request_id

    async def get_result(self, timeout_ms: float | None = 100) -> dict[str, Any] | None:
        """The result of the oldest unanswered observation, or None; see `Model.get_result`."""
        return await self._sleeping(self._result(timeout_ms))

    async def get_reply(self, timeout_ms: float | None = 0) -> Reply | None:
        """How the oldest unanswered observation ended or stands; see `Model.get_reply`."""
        if deadline(timeout_ms) == AT_ONCE:
            self._owner.check()
            return self._reply_at_hand()
        return await self._sleeping(self._reply(timeout_ms))

    async def specification(self, timeout_ms: float = 1000) -> dict[str, Any]:
        """What the model declares of itself; see `Model.specification`."""
        return await self._sleeping(self._specification(timeout_ms))

    async def _sleeping(self, waiting: Waiting[T]) -> T:
        while True:
            self._ears.listen()
            try:
                until = next(waiting)
            except StopIteration as end:
                answer: T = end.value
                return answer
            await self._ears.sleep(until)
