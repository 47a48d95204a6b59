"""Who waits for one model: a line for each client, and the lines in the order of their deadlines.

Only the oldest observation of a line can be chosen, so that the observations of a client keep
their order however a strategy compares clients.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field, replace
from itertools import islice

from ..request import InferenceRequest
from .client_queue import ClientQueue
from .hints import Calendar
from .pending import Pending
from .ranking import Ranking
from .timing import Timing
from .utility import Utility

_LOOKED_AT = 8  # observations of a line whose deadline and worth count for the whole line
_FORGET_S = 60.0  # a line that waits for nothing is forgotten this long after its last arrival
_ASKS_S = 2.0  # a client heard this recently asks, however fast it used to
_ALONE_S = 1.0  # without a second client being heard
_WINDOWS = 32  # newest observations whose time to their deadline is remembered


@dataclass(eq=False, slots=True)
class ModelQueue:
    """The lines of one model, each that waits in exactly one of three places.

    While the model is done with all that waits in no time (`negligible_latency`), there is nothing
    to compare: what arrives is put in its line and place only once there is (`place_arrived`).
    """

    due: Ranking[ClientQueue] = field(default_factory=Ranking)  # can still be in time, by deadline
    late: dict[ClientQueue, None] = field(default_factory=dict)  # cannot
    charged: Ranking[ClientQueue] = field(
        default_factory=Ranking
    )  # had their share: by paid_until
    lines: dict[str, ClientQueue] = field(
        default_factory=dict
    )  # all, also those that wait for nothing
    arrived: dict[InferenceRequest, None] = field(default_factory=dict)  # not in its line yet
    arrived_at: float = -math.inf  # newest of those
    windows: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOWS))
    calendar: Calendar = field(default_factory=Calendar)
    timing: Timing = field(default_factory=Timing)
    contended_until: float = -math.inf
    credit_s: float = 0.0  # of the starvation guard
    credited_at: float = -math.inf
    none_overdue_before: float = -math.inf  # no need to look for overdue lines before
    oldest_since: float = -math.inf  # as of when that was found
    hold_until: float = math.inf
    newest: str = ""  # client heard last
    newest_at: float = -math.inf
    others_at: float = -math.inf  # when any other client than that one was heard

    def entered(self, request: InferenceRequest, pending: Pending, worth: Utility) -> None:
        if self.timing.negligible_latency and request.received_at >= self.arrived_at:
            self.arrived[request] = None
            self.arrived_at = request.received_at
        else:
            self.place_arrived(pending, worth)
            self._enter(request, pending, worth)

    def place_arrived(self, pending: Pending, worth: Utility) -> None:
        """Put in their lines those that are not."""
        if self.arrived:
            arrived, self.arrived = self.arrived, {}
            for request in arrived:
                self._enter(request, pending, worth)

    def dispatch_all_directly(self, now: float) -> list[InferenceRequest]:
        """Serve all that arrived, in that order."""
        batch = list(self.arrived)
        self.arrived.clear()
        for request in batch:
            self.dispatch_directly(request, now)
        return batch

    def dispatch_directly(self, request: InferenceRequest, now: float) -> None:
        """Serve one that has not been put in its line."""
        self._line_of(request).served_at = now

    def _line_of(self, request: InferenceRequest) -> ClientQueue:
        """The line of its client, which was heard with it."""
        line = self.lines.get(request.client_id)
        if line is None:
            line = self._new_line(request)
        if request.received_at > line.arrived_at:
            self._heard(line, request)
        return line

    def _enter(self, request: InferenceRequest, pending: Pending, worth: Utility) -> None:
        line = self._line_of(request)
        arrived = request.received_at
        head = line.head
        if head is None:
            line.head = request
            line.due = line.due_of(request)
            line.static = worth.static(request)
            self._place(line)
        elif head.received_at > arrived:  # an older one came back
            self._renew(line, pending, worth)
        else:
            static = worth.static(request)
            if line.due_of(request) < line.due or static > line.static:
                self._renew(line, pending, worth)

    def left(self, request: InferenceRequest, pending: Pending, worth: Utility) -> None:
        if request in self.arrived:
            del self.arrived[request]
            return
        line = self.lines[request.client_id]
        if line.head is request:
            self._renew(line, pending, worth)

    def _renew(self, line: ClientQueue, pending: Pending, worth: Utility) -> None:
        """Its oldest observation is another one, or more is known of those behind it."""
        old = line.head
        assert old is not None
        self._take_out(line)
        first = list(islice(pending.of_client(line.client_id, old.model_id), _LOOKED_AT))
        if not first:
            line.head = None
            return
        line.head = first[0]
        line.due = min(line.due_of(each) for each in first)
        line.static = max(worth.static(each) for each in first)
        self._place(line)

    def _place(self, line: ClientQueue) -> None:
        head = line.head
        assert head is not None
        if line.throttled_until > head.received_at:
            self.charged.add(line, line.throttled_until)
        else:
            if line.since < self.oldest_since:
                self.none_overdue_before = -math.inf
            self.due.add(line, line.due, -line.static, line.since)

    def _take_out(self, line: ClientQueue) -> None:
        if line in self.due:
            self.due.discard(line)
        elif line in self.late:
            del self.late[line]
        else:
            self.charged.discard(line)

    def supplied(self, line: ClientQueue, until: float, knows_at: float) -> None:
        """A line was answered: a robot that stood still and did not know yet no longer does."""
        line.supplied_until = max(line.supplied_until, until)
        line.knows_at = knows_at
        head = line.head
        if head is not None and line.due < (due := line.due_of(head)):
            self._take_out(line)
            line.due = due
            self._place(line)

    def review(self, now: float, soonest: float) -> bool:
        """Move those whose deadline is before `soonest` among the late ones, and back in those
        who were charged long enough; whether a line lost the chance it had.
        """
        if self.charged:
            for line in self.charged.before(math.inf if self.alone(now) else now):
                line.throttled_until = -math.inf
                self._place(line)
        lost = False
        for line in self.due.before(soonest):
            self.late[line] = None
            head = line.head
            assert head is not None
            lost = lost or line.due - head.received_at >= soonest - now
        return lost

    def only(self, allowed: Container[InferenceRequest]) -> ModelQueue:
        """A board of the lines whose oldest observation is allowed, to choose from; O(n)."""
        few = replace(self, due=Ranking(), late={}, charged=Ranking())
        for line in self.due:
            if line.head in allowed:
                few.due.add(line, line.due, -line.static, line.since)
        few.late = {line: None for line in self.late if line.head in allowed}
        for line in self.charged:
            if line.head in allowed:
                few.charged.add(line, line.throttled_until)
        few.none_overdue_before = -math.inf
        return few

    def remember(self, few: ModelQueue) -> None:
        """What became of choosing from `few` lines of this board."""
        self.contended_until = few.contended_until
        self.credit_s = few.credit_s
        self.hold_until = few.hold_until

    def alone(self, now: float) -> bool:
        """Whether one client only has been heard lately: it takes nothing from anybody."""
        return self.others_at < now - _ALONE_S

    def unrivalled(self, now: float) -> ClientQueue | None:
        """The only line that waits, if serving it at once takes nothing from anybody: because it
        can be in time, the model is done with it in no time, or no other client asks.
        """
        harmless = self.timing.harmless or self.alone(now)
        if self.due:
            line = self.due.first(1)[0]
            return line if harmless or line.due >= now + self.timing.seconds[1] else None
        if not harmless:
            return None
        return next(iter(self.late), None) or next(iter(self.charged), None)

    def rates(self, now: float) -> list[float]:
        """Of the clients that ask now and then; O(lines)."""
        rates = []
        for line in self.lines.values():
            rate = line.rate
            if rate == rate and now - line.arrived_at < max(_ASKS_S, 3.0 / rate):
                rates.append(rate)
        return rates

    def waiting(self) -> int:
        """Lines that wait for something."""
        return len(self.due) + len(self.late) + len(self.charged)

    def _heard(self, line: ClientQueue, request: InferenceRequest) -> None:
        if line.client_id != self.newest:
            self.others_at = self.newest_at
            self.newest = line.client_id
        self.newest_at = request.received_at
        if request.deadline > request.received_at:
            self.windows.append(request.deadline - request.received_at)
        line.heard(request)

    def _new_line(self, request: InferenceRequest) -> ClientQueue:
        if len(self.lines) >= 1000 and not len(self.lines) % 100:
            before = request.received_at - _FORGET_S
            self.lines = {
                name: line
                for name, line in self.lines.items()
                if line.head is not None or line.arrived_at > before
            }
        line = self.lines[request.client_id] = ClientQueue(request.client_id)
        return line
