"""The blocking client: `Connection` and its `Model` handles."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..clock import Clock, SystemClock
from .link import Link
from .reply import Reply
from .session import ClientSession, ModelOptions, specification_in


class Connection:
    """A link to a server, under one client id. Belongs to one thread, but for `wake`.

    server: ZeroMQ address or host:port. client_id: who this is, str or int; '' makes a unique
    one. UsageError if it cannot be used. Reconnects by itself, for ever. clock: for tests.
    """

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
    ) -> Model:
        """A handle on one model of the server.

        latency_budget_ms: after this an answer is of no use. priority: tier, 0 is the most
        important, None leaves it to the server. control_period_ms: time one action lasts, so
        that `steps_remaining` tells the server when this robot runs dry. supersede: a new
        observation replaces one that still waits at the server. lost_after_ms: an observation
        without an answer for so long ends LOST; None waits for ever. encode: keys whose arrays
        travel compressed, as {"camera": "jpeg"} (or "png"); needs the [images] extra.
        """
        options = ModelOptions(
            latency_budget_ms,
            priority,
            control_period_ms,
            supersede,
            lost_after_ms,
            dict(encode or {}),
        )
        return Model(self, self._session, self._link, model_id, options)

    def wait(self, timeout_ms: float | None = None) -> bool:
        """Sleep until something arrived, the link changed or `wake` was called; False if not."""
        return self._link.wait(timeout_ms)

    def wake(self) -> None:
        """End a `wait`, now or the next one. From any thread."""
        self._link.wake()

    def close(self) -> None:
        """Close the socket; always returns. What still waits ends LOST. Idempotent."""
        self._link.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Model:
    """A handle on one model; made by `Connection.model`."""

    def __init__(
        self,
        connection: Connection,
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

    def observe(
        self,
        urgency: float = 0.0,
        steps_remaining: int | None = None,
        priority: int | None = None,
        **values: Any,
    ) -> int:
        """Send an observation; returns its request id without waiting for anything.

        While the link is down observations are kept for a second, the newest one until it is
        back, and sent by whichever call finds it so.

        values: arrays (or numbers), strings, EncodedImage. Keep an array of 64 KiB or more
        unchanged until the reply: it is sent from its own memory. urgency: 0.0 to 1.0.
        steps_remaining: actions the robot still has. WireError names a value that cannot be
        sent, UsageError an argument out of range.
        """
        request_id, frames = self._session.observe(
            self._handle, values, urgency, steps_remaining, priority
        )
        self._link.send(request_id, frames, supersede=self._handle.options.supersede)
        return request_id

    def get_result(self, timeout_ms: float = 100) -> dict[str, Any] | None:
        """The result of the oldest unanswered observation, or None.

        A dict of arrays and strings, with `response_id`, `model_id` and `inference_latency_ms`.
        None comes at once if there will be no result, else after `timeout_ms`; then the next
        `observe` abandons that observation. With timeout_ms=0 nothing is ever abandoned.
        """
        deadline = time.monotonic() + timeout_ms / 1000.0
        if timeout_ms <= 0:
            self._link.drain()
        while True:
            ended, result = self._session.take_result(self._handle)
            if ended:
                return result
            left_ms = 1000.0 * (deadline - time.monotonic())
            if left_ms <= 0 or not self._handle.pending:
                if timeout_ms > 0:
                    self._session.give_up(self._handle)
                return None
            self._link.wait(self._session.patience_ms(self._handle, left_ms))

    def get_reply(self, timeout_ms: float = 0) -> Reply | None:
        """How the oldest unanswered observation ended, or None if it has not within the time.

        Unlike `get_result` it tells every end, and why. Abandons nothing.
        """
        deadline = time.monotonic() + timeout_ms / 1000.0
        if timeout_ms <= 0:
            self._link.drain()
        while True:
            reply = self._session.take(self._handle)
            left_ms = 1000.0 * (deadline - time.monotonic())
            if reply is not None or left_ms <= 0 or not self._handle.pending:
                return reply
            self._link.wait(self._session.patience_ms(self._handle, left_ms))

    def reset(self) -> int:
        """Begin a new episode: replies to earlier observations never come out. Returns its number.

        A stateful model starts afresh with the first observation of the new epoch.
        """
        return self._session.reset(self._handle)

    def specification(self, timeout_ms: float = 1000) -> dict[str, Any]:
        """What the model declares of its observations and actions; {} if it declares nothing.

        UsageError with the server's reason if it has no such model or cannot tell, TimeoutError
        if it does not answer in time.
        """
        question = self._session.describe(self._handle)
        self._link.send(*question.message, supersede=False)
        deadline = time.monotonic() + timeout_ms / 1000.0
        while (reply := self._session.take(question.handle)) is None:
            left_ms = 1000.0 * (deadline - time.monotonic())
            if left_ms <= 0:
                raise TimeoutError(f"no specification of {self.model_id!r} in {timeout_ms:.0f} ms")
            self._link.wait(left_ms)
        return specification_in(reply)
