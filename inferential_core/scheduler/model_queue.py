"""The queue of one model: a queue for each client, in the order of their deadlines.

Only the oldest observation of a client can be chosen, so that the observations of a client keep
their order however a strategy compares clients.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from ..request import InferenceRequest
from ..tracking.timing import Timing
from .anticipation import Anticipation
from .client_queue import ClientQueue
from .fleet_state import FleetState
from .headroom import Demand
from .pending import Pending
from .ranking import Ranking
from .utility import Utility

_COMPARED = 8  # observations of a client whose deadlines and worth count for it, the oldest ones
_FORGET_S = 60.0  # a client that waits for nothing is forgotten this long after its last arrival
_ASKS_S = 2.0  # a client whose observation came so recently still asks, however often it used to
_ALONE_S = 1.0  # without an observation of a second client
_WINDOWS = 32  # newest observations whose time to their deadline is remembered


@dataclass(eq=False, slots=True)
class ModelQueue:
    """The clients of one model; one that waits is in exactly one of three places.

    While the model is done with all that waits in no time (`negligible_latency`), there is nothing
    to compare: what arrives is put in its place only once there is (`place_arrived`).
    """

    # Those who can still be in time, by deadline; those who cannot; those who had their share, by
    # throttled_until; and all, also those that wait for nothing.
    in_time: Ranking[ClientQueue] = field(default_factory=Ranking)
    late: dict[ClientQueue, None] = field(default_factory=dict)
    charged: Ranking[ClientQueue] = field(default_factory=Ranking)
    clients: dict[str, ClientQueue] = field(default_factory=dict)
    arrived: dict[InferenceRequest, None] = field(default_factory=dict)  # not in its place yet
    arrived_at: float = -math.inf  # newest of those
    windows: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOWS))
    timing: Timing = field(default_factory=Timing)
    contended_until: float = -math.inf
    credit_s: float = 0.0  # of the starvation guard
    credited_at: float = -math.inf
    none_overdue_before: float = -math.inf  # nobody is overdue before
    oldest_since: float = -math.inf  # as of when that was found
    hold_until: float = math.inf
    reason: str = ""  # of the newest decision, for people to read
    fleet: FleetState = field(default_factory=FleetState)
    anticipation: Anticipation = field(default_factory=Anticipation)
    newest: str = ""  # client that asked last
    newest_at: float = -math.inf
    others_at: float = -math.inf  # when any other client than that one asked

    def entered(self, request: InferenceRequest, pending: Pending, utility: Utility) -> None:
        """A request has come and waits from now on."""
        if self.timing.negligible_latency and request.received_at >= self.arrived_at:
            self.arrived[request] = None
            self.arrived_at = request.received_at
        else:
            self.place_arrived(pending, utility)
            self._enter(request, pending, utility)

    def place_arrived(self, pending: Pending, utility: Utility) -> None:
        """Put in their places those that are not."""
        if self.arrived:
            arrived, self.arrived = self.arrived, {}
            for request in arrived:
                self._enter(request, pending, utility)

    def dispatch_all_directly(self, now: float) -> list[InferenceRequest]:
        """Serve all that arrived, in that order."""
        batch = list(self.arrived)
        self.arrived.clear()
        for request in batch:
            self.client_of(request).served_at = now
        return batch

    def client_of(self, request: InferenceRequest) -> ClientQueue:
        """Its client, which has learned from its arrival."""
        client = self.clients.get(request.client_id)
        if client is None:
            client = self._new_client(request)
        elif request.supersede and request.steps_remaining is not None:
            # It tells when it runs dry, unless it could not know that it no longer is.
            received = request.received_at
            if received > client.knows_at and received >= client.throttled_until:
                self.fleet.note(request.steps_remaining == 0)
        received = request.received_at
        if received > client.arrived_at:
            if client.client_id != self.newest:
                self.others_at = self.newest_at
                self.newest = client.client_id
            self.newest_at = received
            if request.deadline > received:
                self.windows.append(request.deadline - received)
            client.record_arrival(request)
            self.anticipation.asked(client.client_id, client.pause, received)
        return client

    def _enter(self, request: InferenceRequest, pending: Pending, utility: Utility) -> None:
        client = self.client_of(request)
        arrived = request.received_at
        head = client.head
        if head is None:
            client.head = request
            client.deadline = client.deadline_of(request)
            client.static_worth = utility.static(request)
            self._place(client)
        elif head.received_at > arrived:  # an older one came back
            self._renew(client, pending, utility)
        else:
            static_worth = utility.static(request)
            if client.deadline_of(request) < client.deadline or static_worth > client.static_worth:
                self._renew(client, pending, utility)

    def left(self, request: InferenceRequest, pending: Pending, utility: Utility) -> None:
        """A request waits no longer, for whatever reason."""
        if request in self.arrived:
            del self.arrived[request]
            return
        client = self.clients[request.client_id]
        if client.head is request:
            self._renew(client, pending, utility)

    def _renew(self, client: ClientQueue, pending: Pending, utility: Utility) -> None:
        """Its oldest observation is another one, or more is known of those behind it."""
        old = client.head
        assert old is not None
        self._take_out(client)
        first = list(islice(pending.of_client(client.client_id, old.model_id), _COMPARED))
        if not first:
            client.head = None
            return
        client.head = first[0]
        client.deadline = min(client.deadline_of(each) for each in first)
        client.static_worth = max(utility.static(each) for each in first)
        self._place(client)

    def _place(self, client: ClientQueue) -> None:
        head = client.head
        assert head is not None
        if client.throttled_until > head.received_at:
            self.charged.add(client, client.throttled_until)
        else:
            if client.since < self.oldest_since:
                self.none_overdue_before = -math.inf
            self.in_time.add(client, client.deadline, -client.static_worth, client.since)

    def _take_out(self, client: ClientQueue) -> None:
        if client in self.in_time:
            self.in_time.discard(client)
        elif client in self.late:
            del self.late[client]
        else:
            self.charged.discard(client)

    def record_supply(self, client: ClientQueue, until: float, knows_at: float) -> None:
        """A client was answered: a robot that stood still when it asked no longer does."""
        client.supplied_until = max(client.supplied_until, until)
        client.knows_at = knows_at
        head = client.head
        if head is not None and client.deadline < (deadline := client.deadline_of(head)):
            self._take_out(client)
            client.deadline = deadline
            self._place(client)

    def review(self, now: float, soonest: float) -> bool:
        """Move those whose deadline is before `soonest` among the late ones, and back in those
        who were charged long enough; whether a client lost the chance it had.
        """
        if self.charged:
            for client in self.charged.before(math.inf if self.alone(now) else now):
                client.throttled_until = -math.inf
                self._place(client)
        lost = False
        for client in self.in_time.before(soonest):
            self.late[client] = None
            head = client.head
            assert head is not None
            lost = lost or client.deadline - head.received_at >= soonest - now
        return lost

    def only(self, allowed: Container[InferenceRequest]) -> ModelQueue:
        """A queue of the clients whose oldest observation is allowed, to choose from; O(n)."""
        few = replace(self, in_time=Ranking(), late={}, charged=Ranking())
        for client in self.in_time:
            if client.head in allowed:
                few.in_time.add(client, client.deadline, -client.static_worth, client.since)
        few.late = {client: None for client in self.late if client.head in allowed}
        for client in self.charged:
            if client.head in allowed:
                few.charged.add(client, client.throttled_until)
        few.none_overdue_before = -math.inf
        return few

    def remember(self, few: ModelQueue) -> None:
        """Take over what became of choosing from a `few` clients of this queue."""
        self.contended_until = few.contended_until
        self.credit_s = few.credit_s
        self.hold_until = few.hold_until

    def alone(self, now: float) -> bool:
        """Whether one client only has asked lately, which takes nothing from anybody."""
        return self.others_at < now - _ALONE_S

    def serves_lone(
        self, client: ClientQueue, request: InferenceRequest, now: float, call_s: float
    ) -> bool:
        """Whether serving the only observation there is at once takes nothing from anybody:
        because it can be in time, the model is done with it in no time, or no other client asks.

        call_s: how long the model takes for one.
        """
        if self.timing.harmless or self.alone(now):
            return True
        charged = client.throttled_until > request.received_at
        return not charged and client.deadline_of(request) >= now + call_s

    def unrivalled(self, now: float) -> ClientQueue | None:
        """The client of the only observation that waits, if it `serves_lone`."""
        client = next(chain(self.in_time, self.late, self.charged))
        head = client.head
        assert head is not None
        return client if self.serves_lone(client, head, now, self.timing.seconds[1]) else None

    def demands(self, now: float, holders: Container[str] = ()) -> list[Demand]:
        """What each client needs that still asks; O(clients).

        holders: clients that are taken to ask again until they are silent for `_FORGET_S`.
        """
        demands = []
        for client in self.clients.values():
            rate = client.rate
            asks_s = max(_ASKS_S, 3.0 / rate) if rate == rate else _ASKS_S
            if client.client_id in holders:
                asks_s = max(_FORGET_S, asks_s)
            if now - client.arrived_at < asks_s:
                hinted = client.follows_hints
                demands.append(Demand(rate, client.window_s, client.tier, hinted))
        return demands

    def waiting(self) -> int:
        """How many clients wait for something."""
        return len(self.in_time) + len(self.late) + len(self.charged)

    def _new_client(self, request: InferenceRequest) -> ClientQueue:
        if len(self.clients) >= 1000 and not len(self.clients) % 100:
            before = request.received_at - _FORGET_S
            self.clients = {
                name: client
                for name, client in self.clients.items()
                if client.head is not None or client.arrived_at > before
            }
        client = self.clients[request.client_id] = ClientQueue(request.client_id)
        return client
