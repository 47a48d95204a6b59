"""One stream for all who watch: computed once for all, and not at all while nobody watches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Send

SHORTEST_S = 0.5
LONGEST_S = 4.0
SHARE = 0.006  # of a core that watching may cost; a large fleet is told less often
HEADERS = {"X-Accel-Buffering": "no"}  # a proxy must not hold frames back

_log = logging.getLogger(__name__)


class Hub:
    """Makes a frame as often as it may, and wakes whoever waits for one.

    make: the next frame, as JSON text. begin: what somebody who begins to watch needs first.
    Lives on one event loop.
    """

    def __init__(self, begin: Callable[[], str], make: Callable[[], str]) -> None:
        self._begin = begin
        self._make = make
        self._viewers = 0
        self._producer: asyncio.Task[None] | None = None
        self._next: asyncio.Future[bytes] | None = None
        self._closed = False

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events, until it is closed. Who reads slowly skips frames."""
        if self._closed:
            return
        self._viewers += 1
        try:
            if self._producer is None:
                self._next = asyncio.get_running_loop().create_future()
                self._producer = asyncio.ensure_future(self._produce())
            yield b"retry: 2000\n\n" + _event("begin", self._begin())
            while not self._closed and self._next is not None:
                frame = await asyncio.shield(self._next)
                if not frame:
                    return
                yield frame
        finally:
            self._viewers -= 1
            if not self._viewers and self._producer is not None:
                self._producer.cancel()
                self._producer = None

    def close(self) -> None:
        """All streams end."""
        self._closed = True
        if self._producer is not None:
            self._producer.cancel()
        self._publish(b"")

    async def _produce(self) -> None:
        cost = 0.0
        while True:
            await asyncio.sleep(min(LONGEST_S, max(SHORTEST_S, cost / SHARE)))
            began = time.thread_time()
            try:
                frame = _event("frame", self._make())
            except Exception:
                _log.exception("the page's data could not be made")
                self._producer = None
                self._publish(b"")  # these streams end, and their viewers come again
                return
            cost = time.thread_time() - began
            self._publish(frame)

    def _publish(self, frame: bytes) -> None:
        ready, self._next = self._next, asyncio.get_running_loop().create_future()
        if ready is not None and not ready.done():
            ready.set_result(frame)


class EventStream(StreamingResponse):
    """The answer that lasts: frames until the viewer leaves or the server stops."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub) -> None:
        self._frames = hub.frames()
        super().__init__(self._frames, headers=HEADERS)

    async def stream_response(self, send: Send) -> None:
        """Send frames; whoever leaves is no viewer from then on."""
        async with contextlib.aclosing(self._frames):
            await super().stream_response(send)


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
