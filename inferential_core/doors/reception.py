"""Takes what the clients of a door ask, and brings the replies: one `Visit` for each client.

A visit writes the same messages that a connection of our own writes, so that nothing behind it
knows the difference. Any thread may call what is here.
"""

from __future__ import annotations

import operator
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..config.doors import DoorConfig
from ..dispatch.base import ModelInfo
from ..errors import RejectedError, UsageError
from ..status import Status
from ..suggestion import nearest
from ..wire.images import Buffer
from ..wire.limits import Limits
from ..wire.messages import (
    ObservationHeader,
    encode_observation,
    observation_writer,
    parse_response,
    status_of,
)
from .credentials import Credentials, Pass
from .reply import Reply

Deliver = Callable[[bytes, list[Buffer], str, str], None]  # identity, frames, key and kind of door

# No client of the socket has an identity that it could guess: these hold eight random bytes.
PREFIX = b"\0door"
_MOST_PEERS = 10_000
_MOST_WHOLE = 2**32 - 1  # of a uint32 on the wire
_numbering = threading.Lock()  # doors count their clients together
_COPIED_BELOW = 256 * 1024  # as the socket does: a model may use its arrays again


OnReply = Callable[[Reply], None]


class Reception:
    """Where a door leads.

    own_places: the addresses where this server listens already, and who comes there. limits: of
    one observation. models: those that are served now. deliver: puts a message into the server's
    inbox. count: records a metric.
    """

    def __init__(
        self,
        settings: DoorConfig,
        kind: str,
        *,
        own_places: Callable[[], Mapping[str, str]],
        limits: Limits,
        models: Callable[[], Mapping[str, ModelInfo]],
        credentials: Credentials,
        deliver: Deliver,
        visits: dict[bytes, Visit],
        numbers: Counter[str],
        count: Callable[[str, Mapping[str, str]], None],
    ) -> None:
        self.settings = settings
        self.kind = kind
        self.own_places = own_places
        self.limits = limits
        self.models = models
        self.credentials = credentials
        self.visits = visits  # of all doors, by identity
        self._numbers = numbers  # visits so far, of all doors, by kind and address
        self.deliver = deliver
        self.broken: Counter[str] = Counter()  # what was no message of the protocol, by reason
        self.here = 0  # visits that have not ended
        self._count = count
        self._lock = threading.Lock()

    def enter(self, peer: str, *, client_id: str = "", token: str = "") -> Visit:
        """A client came. RejectedError where its token is not accepted.

        peer: its IP address. client_id: what it calls itself, if it does. token: its credential.
        After a refusal the door answers `credentials.delay(peer)` seconds later, no sooner.
        """
        granted = self.credentials.admit(token, peer)
        client_id = client_id or self.settings.clients.get(peer, "") or granted.client_id
        with self._lock:
            self.here += 1
        if not client_id:
            client_id = f"{self.kind}-{peer}-{self._number(f'{self.kind} {peer}')}"
        self._count("door_clients", {"door": self.kind})
        return Visit(self, granted, client_id)

    def _number(self, who: str) -> int:
        with _numbering:
            if len(self._numbers) > _MOST_PEERS:
                self._numbers.clear()
            self._numbers[who] += 1
            return self._numbers[who]

    def model_named(self, name: str = "") -> str:
        """The id of the model that a client means; RejectedError says which there are.

        name: what the client calls it; empty where it names none.
        """
        known = self.models()
        wanted = self.settings.models.get(name, name) or self.settings.model
        if wanted in known:
            return wanted
        if wanted:
            raise RejectedError(f"model {wanted!r} is unknown: {nearest(wanted, known)}")
        if len(known) == 1:
            return next(iter(known))
        if not known:
            raise RejectedError("this server serves no models")
        names = ", ".join(sorted(known))
        raise RejectedError(f"this server serves several models: name one of {names}")

    def refuse(self, reason: str) -> None:
        """Count that a client sent what is no message of the protocol. reason: one of a few."""
        with self._lock:
            self.broken[reason] += 1
        self._count("door_errors", {"door": self.kind, "reason": reason})

    def report(self, address: str) -> dict[str, Any]:
        """For the status: who is here, and what was refused so far."""
        with self._lock:
            return {
                "kind": self.kind,
                "address": address,
                "model": self.settings.model,
                "clients": self.here,
                "errors": dict(self.broken),
            }

    def left(self) -> None:
        """A visit ended."""
        with self._lock:
            self.here -= 1


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
    frames: list[Buffer]
    asked_at: float  # for the first time; monotonic s
    patience_s: float  # for so long it is asked once more, if it expires


class Visit:
    """One client of a door, from its coming to its going. Made by `Reception.enter`."""

    def __init__(self, reception: Reception, granted: Pass, client_id: str) -> None:
        self.client_id = client_id
        self.identity = PREFIX + secrets.token_bytes(8)
        self.epoch = 1
        self._reception = reception
        self._key = granted.key
        self._session = secrets.randbits(63) | 1
        self._lock = threading.Lock()
        self._asked = 0
        self._waiting: dict[int, _Question] = {}
        self._writer = observation_writer(
            ObservationHeader(
                client_id,
                "-",
                client_type=f"via {reception.kind}",
                session=self._session,
                accepts_frames=True,
                accepts_uint16=True,
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
            message = self._writer.message
            message.model_id = model_id
            message.request_id = number = self._asked + 1
            message.epoch = self.epoch if epoch is None else _whole("epoch", epoch)
            message.urgency = urgency
            message.supersede = supersede
            message.describe_model = describe
            message.control_period_ms = control_period_ms
            budget = latency_budget_ms
            if steps_remaining is None:
                message.ClearField("steps_remaining")
                budget = budget or self._reception.settings.latency_budget_ms
            else:  # when its actions run out is told, and counts
                message.steps_remaining = _whole("steps_remaining", steps_remaining)
            message.latency_budget_ms = budget or 0.0
            try:
                frames = self._writer.frames(values, one_frame_each=True, uint16=True)
            except ValueError as error:  # WireError, and what protobuf cannot hold
                raise RejectedError(str(error)) from None
            self._asked = number
            self._waiting[number] = _Question(on_reply, frames, time.monotonic(), patience_s)
            self._deliver(frames)

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
        replies: dict[int, Reply] = {}

        def on_reply(number: int, reply: Reply) -> None:
            replies[number] = reply
            if len(replies) == len(observations):
                on_replies([replies[each] for each in range(len(observations))])

        for number, values in enumerate(observations):
            self.ask(model_id, values, partial(on_reply, number), **told)

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
            header = ObservationHeader(self.client_id, "", session=self._session, farewell=True)
            frames = encode_observation(header, {})
            self._deliver(frames)
        self._reception.left()

    def replied(self, frames: Sequence[Buffer]) -> bool:
        """Hand a reply of the server to whom asked; False if nobody waits for it."""
        message = parse_response(frames)
        question = self._waiting.get(message.request_id)
        if question is None:
            return False
        if question.patience_s and status_of(message) is Status.EXPIRED:
            waited_s = time.monotonic() - question.asked_at
            if waited_s < question.patience_s:
                self._deliver(question.frames)
                return True
            message.error = f"waited {waited_s:.0f} s in the queue, where it expired each time"
        self._waiting.pop(message.request_id, None)
        if memoryview in map(type, frames):
            frames = [bytes(frame) if len(frame) < _COPIED_BELOW else frame for frame in frames]
        question.on_reply(Reply(message, frames))
        return True

    def _deliver(self, frames: list[Buffer]) -> None:
        self._reception.deliver(self.identity, frames, self._key, self._reception.kind)
