"""The blocking client: `Connection` and its `Model` handles."""

from __future__ import annotations

from typing import Any

from .base import BaseConnection
from .base_model import AT_ONCE, BaseModel, T, Waiting, deadline
from .handle import ModelSession
from .reply import Reply


class Connection(BaseConnection["Model"]):
    __doc__ = BaseConnection.__doc__

    def _make(self, handle: ModelSession) -> Model:
        return Model(self, handle)

    def wait(self, timeout_ms: float | None = None) -> bool:
        """Wait until a message arrives, the link changes or `wake` is called.

        Returns False if none of these happened within `timeout_ms` (None: no limit).
        """
        until = deadline(timeout_ms)
        self._owner.enter()
        try:
            return self._socket.wait(until)
        finally:
            self._owner.leave()

    def wake(self) -> None:
        """End the present `wait`, or the next one. Any thread may call this method."""
        self._socket.wake()

    def close(self) -> None:
        """Close the socket. Observations that still wait end LOST. You may call it twice."""
        self._close()

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
        """Send an observation, and return its request id without waiting.

        While the link is down, the connection keeps observations for a second, and the newest
        one until the link is back. The next call after that sends them.

        Args:
            urgency: how urgent the client says it is, 0.0 to 1.0.
            steps_remaining: how many actions the robot still has.
            priority: tier; 0 is the most important. None: the server's default.
            values: what was observed, by key: arrays, numbers, strings, EncodedImage. Mappings of
                them and lists of strings travel under dotted keys (`images.front`, `task.0`). Do
                not change an array of 256 KiB or more before the reply: it is sent from its own
                memory.

        Raises WireError for a value that cannot be sent, and UsageError for an argument out of
        range.
        """
        self._owner.enter()
        try:
            return self._observe(values, urgency, steps_remaining, priority)
        finally:
            self._owner.leave()

    def get_result(self, timeout_ms: float | None = 100) -> dict[str, Any] | None:
        """Return the result of the oldest unanswered observation, or None.

        The result is a dict of arrays and strings, with `response_id`, `model_id` and
        `inference_latency_ms`. The method returns None at once if there will be no result, and
        otherwise after `timeout_ms`; then the next `observe` abandons that observation. With
        timeout_ms=0 nothing is ever abandoned. With None it waits without a limit.
        """
        return self._sleeping(self._result(timeout_ms))

    def get_reply(self, timeout_ms: float | None = 0) -> Reply | None:
        """Return how the oldest unanswered observation ended, or that it still waits.

        Unlike `get_result`, it reports every outcome, with the reason. If `timeout_ms` is over
        first, the status is WAITING, and `error` says what is in the way: the server's name,
        address or key, or a slow model. This abandons nothing. With timeout_ms=0, the default,
        or less it only looks, and returns None while none has ended. It returns None at once if
        nothing was asked. With timeout_ms=None it waits without a limit. UsageError tells of a
        timeout that is no number.
        """
        if timeout_ms == 0 or deadline(timeout_ms) == AT_ONCE:  # 0 first: it costs the least
            self._owner.enter()
            try:
                return self._reply_at_hand()
            finally:
                self._owner.leave()
        return self._sleeping(self._reply(timeout_ms))

    def specification(self, timeout_ms: float = 1000) -> dict[str, Any]:
        """Return what the model declares of its observations and actions; {} if nothing.

        Raises UsageError, with the server's reason, if the server has no such model or cannot
        say, and TimeoutError if it does not answer within `timeout_ms`.
        """
        return self._sleeping(self._specification(timeout_ms))

    def _sleeping(self, waiting: Waiting[T]) -> T:
        self._owner.enter()
        try:
            while True:
                self._socket.wait(next(waiting))
        except StopIteration as end:
            answer: T = end.value
            return answer
        finally:
            self._owner.leave()
