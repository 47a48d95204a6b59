"""The asyncio client: `AsyncConnection` and its `AsyncModel` handles, over the same session."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..clock import Clock, SystemClock
from .link import Link
from .reply import Reply
from .session import ClientSession, ModelOptions, specification_in


class AsyncConnection:
    """`Connection` for asyncio; arguments as there. Belongs to the loop it first awaits on."""

    def __init__(
        self,
        server: str = "localhost:5555",
        client_id: str | int = "",
        client_type: str = "",
        reconnect_ivl_ms: int = 100,
        reconnect_max_ms: int = 1000,
        heartbeat_ms: int = 1000,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._session = ClientSession(client_id, client_type, clock or SystemClock())
        self._link = Link(self._session, server, reconnect_ivl_ms, reconnect_max_ms, heartbeat_ms)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()

    @property
    def client_id(self) -> str:
        return self._session.client_id

    @property
    def connected(self) -> bool:
        """Whether the server was there when the socket was last looked at."""
        return self._link.connected

    def model(
        self,
        model_id: str,
        latency_budget_ms: float = 50.0,
        priority: int | None = None,
        *,
        control_period_ms: float = 0.0,
        supersede: bool = False,
        lost_after_ms: float | None = None,
        encode: Mapping[str, str] | None = None,
    ) -> AsyncModel:
        """A handle on one model of the server; arguments as of `Connection.model`."""
        options = ModelOptions(
            latency_budget_ms,
            priority,
            control_period_ms,
            supersede,
            lost_after_ms,
            dict(encode or {}),
        )
        return AsyncModel(self, self._session, self._link, model_id, options)

    async def arrival(self, timeout: float) -> None:
        """Sleep until something arrived, at most `timeout` seconds."""
        self.listen()
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), timeout)
        except asyncio.TimeoutError:
            pass

    def listen(self) -> None:
        """Have the running loop look after the socket, if it does not yet."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            for fd in self._link.filenos():
                self._loop.add_reader(fd, self._on_readable)

    def _on_readable(self) -> None:
        self._link.drain()
        self._arrived.set()

    def close(self) -> None:
        """Close the socket; always returns. What still waits ends LOST. Idempotent."""
        if self._loop is not None and not self._loop.is_closed():
            for fd in self._link.filenos():
                self._loop.remove_reader(fd)
        self._loop = None
        self._link.close()
        self._arrived.set()

    async def __aenter__(self) -> AsyncConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class AsyncModel:
    """A handle on one model; made by `AsyncConnection.model`. Arguments as of `Model`."""

    def __init__(
        self,
        connection: AsyncConnection,
        session: ClientSession,
        link: Link,
        model_id: str,
        options: ModelOptions,
    ) -> None:
        self._connection = connection
        self._session = session
        self._link = link
        self._handle = session.open(model_id, options)

    @property
    def model_id(self) -> str:
        return self._handle.model_id

    @property
    def epoch(self) -> int:
        return self._handle.epoch

    async def observe(
        self,
        urgency: float = 0.0,
        steps_remaining: int | None = None,
        priority: int | None = None,
        **values: Any,
    ) -> int:
        """Send an observation; see `Model.observe`."""
        self._connection.listen()
        request_id, frames = self._session.observe(
            self._handle, values, urgency, steps_remaining, priority
        )
        self._link.send(request_id, frames, supersede=self._handle.options.supersede)
        self._link.drain()  # sending may have swallowed the edge that announces an arrival
        return request_id

    async def get_result(self, timeout_ms: float = 100) -> dict[str, Any] | None:
        """The result of the oldest unanswered observation, or None; see `Model.get_result`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_ms / 1000.0
        self._link.drain()
        while True:
            ended, result = self._session.take_result(self._handle)
            if ended:
                return result
            left_ms = 1000.0 * (deadline - loop.time())
            if left_ms <= 0 or not self._handle.pending:
                if timeout_ms > 0:
                    self._session.give_up(self._handle)
                return None
            patience_ms = self._session.patience_ms(self._handle, left_ms)
            await self._connection.arrival(patience_ms / 1000.0)

    async def get_reply(self, timeout_ms: float = 0) -> Reply | None:
        """How the oldest unanswered observation ended, or None; see `Model.get_reply`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_ms / 1000.0
        self._link.drain()
        while True:
            reply = self._session.take(self._handle)
            left_ms = 1000.0 * (deadline - loop.time())
            if reply is not None or left_ms <= 0 or not self._handle.pending:
                return reply
            patience_ms = self._session.patience_ms(self._handle, left_ms)
            await self._connection.arrival(patience_ms / 1000.0)

    def reset(self) -> int:
        """Begin a new episode; see `Model.reset`."""
        return self._session.reset(self._handle)

    async def specification(self, timeout_ms: float = 1000) -> dict[str, Any]:
        """What the model declares of itself; see `Model.specification`."""
        self._connection.listen()
        question = self._session.describe(self._handle)
        self._link.send(*question.message, supersede=False)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_ms / 1000.0
        while (reply := self._session.take(question.handle)) is None:
            left = deadline - loop.time()
            if left <= 0:
                raise TimeoutError(f"no specification of {self.model_id!r} in {timeout_ms:.0f} ms")
            await self._connection.arrival(left)
        return specification_in(reply)
