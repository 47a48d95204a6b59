"""The clients of the server: their ids, cadence, outcomes, and when they were last heard."""

from __future__ import annotations

import heapq
import math
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple

from ..request import InferenceRequest
from ..status import Status
from .quota import Quota
from .silence import Silence
from .takeovers import Takeovers

_AT_ONCE = 0.25  # of the time that an answer took, within which a client in lock-step asks again


class Cadence:
    """Exponential moving average of the interval between events.

    interval <- (1 - alpha) * interval + alpha * newest, seconds; the first interval is taken as
    it is.
    """

    __slots__ = ("_alpha", "interval", "last")

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self.interval = math.nan  # s; NaN until two events were seen
        self.last = math.nan

    def event(self, now: float) -> None:
        """Learn from the time since the event before this one, monotonic s."""
        newest = now - self.last
        self.last = now
        interval = self.interval
        if interval == interval and newest == newest:
            self.interval = interval + self._alpha * (newest - interval)
        elif newest == newest:  # NaN for the first one
            self.interval = newest

    def pause(self) -> None:
        """It stopped for a while: the time until the next event says nothing."""
        self.last = math.nan

    def forget_by(self, alpha: float) -> None:
        """Weigh the newest interval so from now on."""
        self._alpha = alpha

    @property
    def rate(self) -> float:
        """Events per second; NaN while unknown."""
        return 1.0 / self.interval if self.interval > 0 else math.nan


@dataclass(eq=False, slots=True)
class Client:
    """One client, known by the id it claims."""

    id: str
    identity: bytes
    cadence: Cadence  # of all its observations; `last`: when its newest one came
    silence: Silence = field(default_factory=Silence)  # that says nothing
    type: str = ""
    door: str = ""  # kind of the door by which it came in; empty: the socket
    asks_when_dry: bool = False  # it does not tell when its actions run out, and waits for answers
    answered_at: float = math.nan  # when the newest of its observations ended
    in_lock_step: int = 0  # its newest observations in a row that came right after an answer
    last_seen: float = -math.inf
    connected: bool = True
    announced: bool = False  # reported by a sweep
    left: bool = False  # it said goodbye, and was not heard since
    reported_overdue: bool = False  # since its last observation
    open: int = 0  # received and not ended yet
    open_bytes: int = 0  # of those
    quota: Quota | None = None  # where clients have one
    ok: int = 0
    failed: int = 0
    answers_in_time: int = 0  # left before their deadline: `deadline_hits` in the status
    answers_late: int = 0  # left after it: `deadline_misses`
    last_error: str = ""
    session: int = 0  # of the connection that spoke last, 0 for published clients
    moves_on: bool = False  # it has another server to go to
    moves: int = 0  # how often it went to another server
    takeovers: Takeovers = field(default_factory=Takeovers)
    cadences: dict[str, Cadence] = field(default_factory=dict)  # per model; of one: `cadence`
    epochs: dict[str, int] = field(default_factory=dict)  # newest epoch seen per model
    places: set[str] = field(default_factory=set)  # models that it was admitted to

    @property
    def received(self) -> int:
        """Its observations so far: each is open, or ended."""
        return self.open + self.ok + self.failed

    def overdue(self, now: float) -> bool:
        """Whether its next observation should have come by now; one that is gone owes none."""
        cadence, silence = self.cadence, self.silence
        passed = now - cadence.last
        # It is allowed the least at the least, which is quicker to compute.
        if passed > silence.least * silence.mean and self.connected:
            return passed > silence.allowed(cadence.interval)
        return False

    def begin_again(self, request: InferenceRequest) -> None:
        """The first observation of an episode was not served: the next one is its first."""
        if self.epochs.get(request.model_id) == request.epoch:
            del self.epochs[request.model_id]

    def settle(self, status: Status, error: str) -> None:
        """Count the end of one of its observations."""
        if status is Status.OK:
            self.ok += 1
            return
        self.failed += 1
        if status is not Status.SUPERSEDED:  # it asked for that; nothing is wrong
            self.last_error = f"{status}: {error}" if error else str(status)


class Changes(NamedTuple):
    """What happened to clients since the last sweep; each change is reported once."""

    came: list[Client]
    gone: list[Client]  # they fell silent or said goodbye
    late: list[Client]  # their next observation was overdue, or still is


class ClientRegistry:
    """All clients, bounded: those that are long gone make room for new ones.

    A client is gone once it said goodbye or was silent for disconnect_timeout (s). Its next
    observation is overdue once its own jitter makes that unlikely (see `Silence`), and at least
    overdue_multiplier times its cadence have passed since the last.
    """

    def __init__(
        self,
        alpha: float,
        disconnect_timeout: float,
        capacity: int = 10_000,
        overdue_multiplier: float = 1.5,
    ) -> None:
        self._capacity = capacity
        self.by_id: dict[str, Client] = {}
        self._late: dict[str, Client] = {}  # that were overdue, but came
        self._left: dict[str, Client] = {}  # that said goodbye since the last sweep
        self.configure(alpha, disconnect_timeout, overdue_multiplier)

    def configure(
        self, alpha: float, disconnect_timeout: float, overdue_multiplier: float
    ) -> None:
        """Go by these from now on; also for clients that are known."""
        self._alpha = alpha
        self._timeout = disconnect_timeout
        self._overdue_multiplier = overdue_multiplier
        for client in self.by_id.values():
            client.silence.least = overdue_multiplier
            for cadence in (client.cadence, *client.cadences.values()):
                cadence.forget_by(alpha)

    def heard(self, client_id: str, identity: bytes, now: float) -> Client:
        """The client that just spoke, made known if it was not."""
        client = self.by_id.get(client_id)
        if client is None:
            if len(self.by_id) >= self._capacity:
                self._make_room()
            silence = Silence(self._overdue_multiplier)
            client = Client(client_id, identity, Cadence(self._alpha), silence)
            self.by_id[client_id] = client
        elif not client.connected:
            self._back(client)
        client.identity = identity
        client.last_seen = now
        return client

    def observed(self, client: Client, model_id: str, now: float) -> Cadence:
        """Count an observation for a model that exists; its cadence, the new one counted in.

        client.open counts it already.
        """
        if client.overdue(now) and not client.reported_overdue:
            self._late[client.id] = client
        client.reported_overdue = False
        cadence, answered_at = client.cadence, client.answered_at
        passed = now - cadence.last
        if passed == passed:  # NaN for the first one
            client.silence.learn(passed)
        if client.open == 1 and now - answered_at <= _AT_ONCE * (answered_at - cadence.last):
            client.in_lock_step += 1
        else:
            client.in_lock_step = 0
        own = client.cadences.get(model_id)
        if own is None:
            own = self._first_of(client, model_id)
        cadence.event(now)
        if own is not cadence:
            own.event(now)
        return own

    def _first_of(self, client: Client, model_id: str) -> Cadence:
        """Its cadence for a model that it never asked; as long as it asks one only, it has one."""
        cadences = client.cadences
        if not cadences:
            cadences[model_id] = client.cadence
            return client.cadence
        for name, cadence in cadences.items():
            if cadence is client.cadence:
                cadences[name] = copy(cadence)
        cadences[model_id] = Cadence(self._alpha)
        return cadences[model_id]

    def leave(self, client: Client) -> None:
        """It said goodbye: it is gone, and whoever speaks under its id next took nothing over."""
        client.connected = client.announced = False
        client.left = True
        client.session = 0
        client.places.clear()
        self._left[client.id] = client

    def sweep(self, now: float) -> Changes:
        """What happened since the last time."""
        left = [client for client in self._left.values() if client.left]
        changes = Changes([], left, list(self._late.values()))
        self._late.clear()
        self._left.clear()
        for client in self.by_id.values():
            if not client.connected:
                continue
            if not client.announced:
                client.announced = True
                changes.came.append(client)
            if now - client.last_seen > self._timeout:
                client.connected = client.announced = False
                changes.gone.append(client)
            if client.overdue(now) and not client.reported_overdue:
                client.reported_overdue = True
                changes.late.append(client)
        return changes

    def active(self) -> int:
        """How many clients are connected."""
        return sum(client.connected for client in self.by_id.values())

    def overdue(self, now: float) -> int:
        """Clients whose next observation is overdue now."""
        return sum(client.overdue(now) for client in self.by_id.values())

    def _back(self, client: Client) -> None:
        client.connected = True
        client.left = False
        client.cadence.pause()
        for cadence in client.cadences.values():
            cadence.pause()

    def _make_room(self) -> None:
        # A tenth at once: a flood of new ids must not search the whole table for each. Whoever
        # waits for an answer goes last, as what it is answered is counted for it.
        oldest = heapq.nsmallest(
            max(1, self._capacity // 10),
            self.by_id.values(),
            key=lambda client: (client.open > 0, client.last_seen),
        )
        for client in oldest:
            del self.by_id[client.id]
