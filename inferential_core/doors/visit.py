"""One client of a door, from its coming to its going: what it asks, and the replies.

A visit says what a connection of our own says, so that nothing behind it knows the difference,
but hands it over by value. Any thread may call what is here.
"""

from __future__ import annotations

import operator
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from ..config.doors import DoorConfig
from ..errors import RejectedError, UsageError
from ..status import Status
from ..wire.by_value import HandedIn, Reply, carried
from ..wire.limits import Limits
from ..wire.messages import ObservationHeader, observation_message
from .credentials import Pass

Deliver = Callable[[bytes, HandedIn, str, str], None]  # identity, message, key and kind of door
OnReply = Callable[[Reply], None]

# No client of the socket has an identity that it could guess: these hold eight random bytes.
PREFIX = b"\0door"
_MOST_WHOLE = 2**32 - 1  # of a uint32 on the wire
_COPIED_BELOW = 4096  # as for the socket: who asks may use its small arrays again


class Host(Protocol):
    """What a visit needs of the reception that let it in, see `Reception`."""

    settings: DoorConfig
    kind: str
    limits: Limits
    visits: dict[bytes, Visit]
    deliver: Deliver

    def left(self) -> None:
        """A visit ended."""


def _whole(name: str, value: int) -> int:
    """UsageError where the wire cannot tell it."""
    try:
        whole = operator.index(value)
    except TypeError:
        whole = -1
    if not 0 <= whole <= _MOST_WHOLE:
        raise UsageError(f"{name} is a whole number from 0 to {_MOST_WHOLE}, not {value!r}")
    return whole


class _Question(NamedTuple):
    on_reply: OnReply
    observation: HandedIn
    asked_at: float  # for the first time; monotonic s
    patience_s: float  # for so long it is asked once more, if it expires


class Visit:
    """One client of a door, from its coming to its going. Made by `Reception.enter`."""

    def __init__(self, reception: Host, granted: Pass, client_id: str) -> None:
        self.client_id = client_id
        self.identity = PREFIX + secrets.token_bytes(8)
        self.epoch = 1
        self._reception = reception
        self._key = granted.key
        self._lock = threading.Lock()
        self._asked = 0
        self._waiting: dict[int, _Question] = {}
        self._header = observation_message(
            ObservationHeader(
                client_id,
                "",
                client_type=f"via {reception.kind}",
                session=secrets.randbits(63) | 1,
            )
        )
        self._closed = False
        reception.visits[self.identity] = self

    @property
    def waiting(self) -> int:
        """Questions without a reply so far."""
        return len(self._waiting)

    def ask(
        self,
        model_id: str,
        values: Mapping[str, Any],
        on_reply: OnReply,
        *,
        steps_remaining: int | None = None,
        control_period_ms: float = 0.0,
        latency_budget_ms: float | None = None,
        urgency: float = 0.0,
        epoch: int | None = None,
        supersede: bool = False,
        describe: bool = False,
        patience_s: float = 0.0,
    ) -> None:
        """Ask a model; `on_reply` hears once how it ended, unless the visit ends before.

        values: arrays, numbers, texts and EncodedImage by key; arrays are not copied.
        RejectedError names a key that cannot be sent, or says that too much waits; UsageError is
        for steps_remaining and epoch that are no whole numbers from 0 on.
        steps_remaining: actions the robot still has; None where the protocol does not tell: the
        client asks when it has none, and is late only against its latency budget, by default that
        of the door. describe: asks for the specification, which comes as JSON under
        "specification". patience_s: for so long what EXPIRED in the queue is asked once more: for
        robots that stand and wait, whose programs end with an error.

        on_reply is called in a turn of the server: it must hand the reply over and return.
        """
        with self._lock:
            if self._closed:
                raise RejectedError("this client has left")
            if len(self._waiting) >= self._reception.limits.max_requests_per_client:
                raise RejectedError(f"{len(self._waiting)} observations of this client wait")
            message = type(self._header)()
            message.CopyFrom(self._header)
            message.request_id = number = self._asked + 1
            message.epoch = self.epoch if epoch is None else _whole("epoch", epoch)
            message.urgency = urgency
            message.supersede = supersede
            message.describe_model = describe
            message.control_period_ms = control_period_ms
            budget = latency_budget_ms
            if steps_remaining is None:
                budget = budget or self._reception.settings.latency_budget_ms
            else:  # when its actions run out is told, and counts
                message.steps_remaining = _whole("steps_remaining", steps_remaining)
            message.latency_budget_ms = budget or 0.0
            try:
                message.model_id = model_id
                inputs, size = carried(values, copied_below=_COPIED_BELOW)
            except ValueError as error:  # WireError, and what protobuf cannot hold
                raise RejectedError(str(error)) from None
            observation = HandedIn(message, inputs, size + message.ByteSize())
            self._asked = number
            self._waiting[number] = _Question(on_reply, observation, time.monotonic(), patience_s)
            self._deliver(observation)

    def ask_together(
        self,
        model_id: str,
        observations: Sequence[Mapping[str, Any]],
        on_replies: Callable[[list[Reply]], None],
        **told: Any,
    ) -> None:
        """Ask for each observation; `on_replies` hears once, in their order, how all ended.

        told: as for `ask`. RejectedError, and `on_replies` hears nothing, where one is refused.
        """
        if len(observations) > 1:
            self._check(observations)
        replies: dict[int, Reply] = {}

        def on_reply(number: int, reply: Reply) -> None:
            replies[number] = reply
            if len(replies) == len(observations):
                on_replies([replies[each] for each in range(len(observations))])

        for number, values in enumerate(observations):
            self.ask(model_id, values, partial(on_reply, number), **told)

    def _check(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """RejectedError if one of these would be refused, so that all are asked for or none."""
        waiting, most = len(self._waiting), self._reception.limits.max_requests_per_client
        if waiting + len(observations) > most:
            raise RejectedError(
                f"{len(observations)} observations beside {waiting} that wait, limit {most}"
            )
        for values in observations:
            try:
                carried(values, copied_below=0)
            except ValueError as error:
                raise RejectedError(str(error)) from None

    def reset(self) -> None:
        """A new episode begins with the next question."""
        with self._lock:
            self.epoch += 1

    def close(self) -> None:
        """The client left; replies that are still to come have no hearer any more. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._waiting.clear()
            self._reception.visits.pop(self.identity, None)
            self._header.farewell = True
            self._deliver(HandedIn(self._header, {}, 0))
        self._reception.left()

    def replied(self, reply: Reply) -> bool:
        """Hand a reply of the server to whom asked; False if nobody waits for it."""
        question = self._waiting.get(reply.request_id)
        if question is None:
            return False
        if question.patience_s and reply.status is Status.EXPIRED:
            waited_s = time.monotonic() - question.asked_at
            if waited_s < question.patience_s:
                self._deliver(question.observation)
                return True
            reply.error = f"waited {waited_s:.0f} s in the queue, where it expired each time"
        self._waiting.pop(reply.request_id, None)
        question.on_reply(reply)
        return True

    def _deliver(self, message: HandedIn) -> None:
        self._reception.deliver(self.identity, message, self._key, self._reception.kind)
