"""Keeps the waiting observations: capacity, time to live and supersede, for every strategy."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from ..request import InferenceRequest
from ..status import Status

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

Removed = tuple[InferenceRequest, Status, str]
OnChange = Callable[[InferenceRequest], None]

_SUPERSEDED = "a newer observation took its place"


def _nobody(request: InferenceRequest) -> None:
    """Nobody keeps an order of its own."""


class Pending:
    """Waiting requests by model, in the order of their arrival.

    All operations are O(1), but eviction and expiry O(models), and taking back one that is older
    than others that wait O(n). `removed` collects those that leave without being served, with
    outcome and reason; whoever owns the queue empties it (`collect_removed`).

    entered, left: called for every request that begins or ceases to wait, so that a strategy can
    keep an order of its own up to date instead of making it anew for every batch.
    """

    def __init__(
        self, config: SchedulingConfig, entered: OnChange = _nobody, left: OnChange = _nobody
    ) -> None:
        self._config = config
        self._capacity = config.max_queue_size
        self._ttl = config.request_ttl_ms / 1000.0
        self._entered = entered
        self._left = left
        # Ordered ones: the oldest of a plain dict is found in O(1) only until some were deleted.
        self._by_model: dict[str, OrderedDict[InferenceRequest, None]] = {}
        self._by_client: dict[tuple[str, str], dict[InferenceRequest, None]] = {}
        self.size = 0  # how many wait
        self.removed: list[Removed] = []

    def __len__(self) -> int:
        return self.size

    def __contains__(self, request: InferenceRequest) -> bool:
        return request in self._by_model.get(request.model_id, ())

    def of(self, model_id: str) -> list[InferenceRequest]:
        """Those waiting for a model, oldest first."""
        return list(self._by_model.get(model_id, ()))

    def of_model(self, model_id: str) -> Collection[InferenceRequest]:
        """The same; a view, not a copy."""
        return self._by_model.get(model_id, ())

    def of_client(self, client_id: str, model_id: str) -> Collection[InferenceRequest]:
        """Those of one client that wait for a model, oldest first; a view, not a copy."""
        return self._by_client.get((client_id, model_id), ())

    def in_clients_order(self, chosen: list[InferenceRequest]) -> list[InferenceRequest]:
        """As many of each client in the same places, but always its oldest ones.

        A client takes the results of a model in the order of its observations, and a published
        one cannot even tell them apart otherwise.
        """
        if len(self._by_client) == self.size:  # nobody waits for two
            return chosen
        oldest = {
            key: iter(self._by_client[key])
            for key in {(request.client_id, request.model_id) for request in chosen}
        }
        return [next(oldest[request.client_id, request.model_id]) for request in chosen]

    def count(self, model_id: str) -> int:
        """How many requests wait for a model."""
        waiting = self._by_model.get(model_id)
        return len(waiting) if waiting else 0

    def models(self) -> list[str]:
        """Models that somebody waits for, the one with the oldest request first."""
        heads = [next(iter(waiting)) for waiting in self._by_model.values() if waiting]
        heads.sort(key=lambda request: request.received_at)
        return [request.model_id for request in heads]

    def oldest(self) -> InferenceRequest | None:
        """The request that has waited longest of all, None if nothing waits."""
        heads = (next(iter(waiting)) for waiting in self._by_model.values() if waiting)
        return min(heads, key=lambda request: request.received_at, default=None)

    def add(self, request: InferenceRequest) -> bool:
        """Take a request in; False if it was refused at once (full, `reject_newest`)."""
        if request in self:
            return True
        if request.supersede:
            self._supersede(request)
        while self.size >= self._capacity:
            reason = f"the queue is full ({self._capacity})"
            if self._config.overflow_policy == "reject_newest":
                self.removed.append((request, Status.DROPPED, reason))
                return False
            victim = self.oldest()
            assert victim is not None  # a full queue is not empty
            self.remove(victim, Status.DROPPED, f"{reason}; this was the oldest in it")
        self._append(request)
        self._entered(request)
        return True

    def put_back(self, request: InferenceRequest) -> bool:
        """Take one back that was out already (a retry, a change of strategy).

        It gets its old place, in however full a queue. False if it ended meanwhile, because its
        client superseded it.
        """
        for newer in self._by_client.get((request.client_id, request.model_id), ()):
            if newer.supersede and newer.received_at >= request.received_at:
                since = min(newer.waiting_since, request.waiting_since)
                if since < newer.waiting_since:
                    self._left(newer)
                    newer.waiting_since = since
                    self._entered(newer)
                _take_over_beginning(newer, request)
                self.removed.append((request, Status.SUPERSEDED, _SUPERSEDED))
                return False
        waiting = self._by_model.get(request.model_id)
        newest = next(reversed(waiting)).received_at if waiting else -math.inf
        self._append(request)
        if newest > request.received_at:
            self._sort(request)
        self._entered(request)
        return True

    def begin_service(self, requests: Iterable[InferenceRequest]) -> None:
        """These are being served."""
        taken = list(requests)
        for request in taken:
            self._forget(request)
        for request in taken:  # after all have gone: a client's next one is looked for once
            self._left(request)

    def remove(self, request: InferenceRequest, status: Status, reason: str) -> None:
        """This one ends here, unserved."""
        self._discard(request)
        self.removed.append((request, status, reason))

    def remove_client(self, client_id: str, reason: str) -> None:
        """Drop all that a client waits for; O(clients), for rare events."""
        keys = [key for key in self._by_client if key[0] == client_id]
        for request in [request for key in keys for request in self._by_client[key]]:
            self.remove(request, Status.DROPPED, reason)

    def expire(self, now: float) -> None:
        """End those that waited longer than their time to live."""
        for waiting in self._by_model.values():
            while waiting:
                head = next(iter(waiting))
                if now < head.received_at + self._ttl:
                    break
                reason = f"waited {1000 * (now - head.received_at):.0f} ms in the queue"
                self.remove(head, Status.EXPIRED, reason)

    def next_expiry(self) -> float:
        """When `expire` has something to do; inf if nothing waits."""
        head = self.oldest()
        return math.inf if head is None else head.received_at + self._ttl

    def collect_removed(self) -> list[Removed]:
        """What was taken out without a batch since the last call, and why."""
        if not self.removed:
            return []
        removed, self.removed = self.removed, []
        return removed

    def drain(self) -> list[InferenceRequest]:
        """Everything that waits, oldest first, for another queue to take over."""
        requests = [request for waiting in self._by_model.values() for request in waiting]
        self.begin_service(requests)
        return sorted(requests, key=lambda request: request.received_at)

    def _supersede(self, request: InferenceRequest) -> None:
        older = self._by_client.get((request.client_id, request.model_id))
        if not older:
            return
        for old in list(older):
            # A robot that refreshes its observation must not lose its place in time.
            request.waiting_since = min(request.waiting_since, old.waiting_since)
            _take_over_beginning(request, old)
            self.remove(old, Status.SUPERSEDED, _SUPERSEDED)

    def _append(self, request: InferenceRequest) -> None:
        """Put it behind all that wait."""
        waiting = self._by_model.get(request.model_id)
        if waiting is None:
            waiting = self._by_model[request.model_id] = OrderedDict()
        waiting[request] = None
        key = (request.client_id, request.model_id)
        of_client = self._by_client.get(key)
        if of_client is None:
            self._by_client[key] = {request: None}
        else:
            of_client[request] = None
        self.size += 1

    def _sort(self, request: InferenceRequest) -> None:
        """Put the newest, which came back, before those that are newer than it."""
        waiting = self._by_model[request.model_id]
        for each in [each for each in waiting if each.received_at > request.received_at]:
            waiting.move_to_end(each)
        key = (request.client_id, request.model_id)
        ordered = sorted(self._by_client[key], key=lambda each: each.received_at)
        self._by_client[key] = dict.fromkeys(ordered)

    def _discard(self, request: InferenceRequest) -> None:
        self._forget(request)
        self._left(request)

    def _forget(self, request: InferenceRequest) -> None:
        del self._by_model[request.model_id][request]
        key = (request.client_id, request.model_id)
        of_client = self._by_client[key]
        if len(of_client) == 1:
            del self._by_client[key]
        else:
            del of_client[request]
        self.size -= 1


def _take_over_beginning(newer: InferenceRequest, older: InferenceRequest) -> None:
    """The newer one begins the episode for its model, if the older one would have begun it."""
    if older.first_of_episode and newer.epoch == older.epoch:
        newer.first_of_episode = True
