"""The blocking client: `Connection` and its `Model` handles."""

from __future__ import annotations

from typing import Any

from .base import BaseConnection, BaseModel, T, Waiting
from .handle import ModelSession
from .reply import Reply


class Connection(BaseConnection["Model"]):
    __doc__ = BaseConnection.__doc__

    def _make(self, handle: ModelSession) -> Model:
        return Model(self._session, self._socket, handle)

    def wait(self, timeout_ms: float | None = None) -> bool:
        """Sleep until something arrived, the link changed or `wake` was called; False if not."""
        self._socket.enter()
        try:
            return self._socket.wait(timeout_ms)
        finally:
            self._socket.leave()

    def wake(self) -> None:
        """End a `wait`, now or the next one. From any thread, unlike all else here."""
        self._socket.wake()

    def close(self) -> None:
        """Close the socket; always returns. What still waits ends LOST. Idempotent."""
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Model(BaseModel):
    """A handle on one model; made by `Connection.model`."""

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

        values: arrays (or numbers), strings, EncodedImage; mappings of them and lists of strings
        travel under dotted keys (`images.front`, `task.0`). Keep an array of 256 KiB or more
        unchanged until the reply: it is sent from its own memory. urgency: 0.0 to 1.0.
        steps_remaining: actions the robot still has. WireError names a value that cannot be
        sent, UsageError an argument out of range.
        """
        self._socket.enter()
        try:
            return self._observe(values, urgency, steps_remaining, priority)
        finally:
            self._socket.leave()

    def get_result(self, timeout_ms: float | None = 100) -> dict[str, Any] | None:
        """The result of the oldest unanswered observation, or None.

        A dict of arrays and strings, with `response_id`, `model_id` and `inference_latency_ms`.
        None comes at once if there will be no result, else after `timeout_ms`; then the next
        `observe` abandons that observation. With timeout_ms=0 nothing is ever abandoned;
        with None it waits for ever.
        """
        return self._sleeping(self._result(timeout_ms))

    def get_reply(self, timeout_ms: float | None = 0) -> Reply | None:
        """How the oldest unanswered observation ended, or how it stands after `timeout_ms`.

        Unlike `get_result` it tells every end, and why. If the time is over first, the status is
        WAITING and `error` tells what is in the way: the server's name, address or key, or that
        the model is slow. That abandons nothing: the observation waits on. None where nothing
        waits, and, with timeout_ms=0, where nothing has ended.
        """
        if timeout_ms is not None and timeout_ms <= 0:
            return self._reply_at_hand()
        return self._sleeping(self._reply(timeout_ms))

    def specification(self, timeout_ms: float = 1000) -> dict[str, Any]:
        """What the model declares of its observations and actions; {} if it declares nothing.

        UsageError with the server's reason if it has no such model or cannot tell, TimeoutError
        if it does not answer in time.
        """
        return self._sleeping(self._specification(timeout_ms))

    def _sleeping(self, waiting: Waiting[T]) -> T:
        self._socket.enter()
        try:
            while True:
                self._socket.wait(next(waiting))
        except StopIteration as end:
            answer: T = end.value
            return answer
        finally:
            self._socket.leave()
