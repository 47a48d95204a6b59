"""Limits uvicorn's connections, because they cost file descriptors that robots need too."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..log.throttled import ThrottledLog
from .guard import ADMITTED

MOST_CONNECTIONS = 100  # then one goes for each that comes
REQUEST_S = 10.0  # a connection that asks nothing for as long, or twice that, is closed
LEAVE_S = 0.3  # for answers that are on their way when it stops
LOOK_S = 0.02


_throttled = ThrottledLog(logging.getLogger(__name__))
_numbers = itertools.count()


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 on one connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Number the connection, and make room where there are more than may be."""
        super().connection_made(transport)
        self.number = next(_numbers)
        standing = [each for each in self.connections if not each.transport.is_closing()]
        if len(standing) > MOST_CONNECTIONS:
            self._make_room(standing)
        self.loop.call_later(REQUEST_S, self._end_if_silent, None)

    def _make_room(self, standing: list[Any]) -> None:
        """The oldest of those that asked for nothing they may have goes; otherwise this one.

        So who opens connections and says nothing does not lock out who has a right to ask.
        """
        idle = [each for each in standing if not (each.scope or {}).get(ADMITTED)]
        going = min(idle, key=lambda each: each.number)  # of which this one is the newest
        going.transport.abort()
        _throttled.log(
            time.monotonic(),
            f"the page has {MOST_CONNECTIONS} connections, so one was closed: "
            + ("the newest, as all others are in use" if going is self else "the oldest idle one"),
        )

    def _end_if_silent(self, answered: object) -> None:
        """answered: the request it had been given an answer to, and nothing since, last time."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle  # None until a request is read, which its type does not say
        waits = cycle is None or cycle.response_complete
        if waits and cycle is answered:  # also one that sends its next request byte by byte
            self.transport.abort()
        else:
            last = cycle if waits else None
            self.loop.call_later(REQUEST_S, self._end_if_silent, last)


class Serving(uvicorn.Server):
    """Runs until it is told to leave, without a timer of its own.

    on_ready is called when it answers, on_leave when it begins to end.
    """

    def __init__(
        self,
        app: Any,
        leaving: asyncio.Event,
        on_ready: Callable[[], None],
        on_leave: Callable[[], None],
    ) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,  # a token may stand in an address
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        super().__init__(config)
        self._leaving = leaving
        self._on_ready = on_ready
        self._on_leave = on_leave

    async def main_loop(self) -> None:
        """Instead of uvicorn's, which looks ten times a second whether it should end."""
        self._on_ready()
        await self._leaving.wait()
        self._on_leave()
        state = self.server_state
        until = asyncio.get_running_loop().time() + LEAVE_S
        while state.tasks and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(LOOK_S)
        for connection in list(state.connections):
            connection.transport.abort()  # who does not read does not hold us up
        await asyncio.sleep(0)
