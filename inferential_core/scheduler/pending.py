"""What waits: capacity, time to live and supersede, in one place for every strategy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..request import InferenceRequest
from ..status import Status

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

Removed = tuple[InferenceRequest, Status, str]

_SUPERSEDED = "a newer observation took its place"


class Pending:
    """Waiting requests by model, oldest first. All operations O(1) but eviction, O(models).

    `removed` collects those that leave without being served, with outcome and reason; whoever
    owns the queue empties it (`take_removed`).
    """

    def __init__(self, config: SchedulingConfig) -> None:
        self._config = config
        self._ttl = config.request_ttl_ms / 1000.0
        self._by_model: dict[str, dict[InferenceRequest, None]] = {}
        self._by_client: dict[tuple[str, str], dict[InferenceRequest, None]] = {}
        self._count = 0
        self._removed: list[Removed] = []

    def __len__(self) -> int:
        return self._count

    def __contains__(self, request: InferenceRequest) -> bool:
        return request in self._by_model.get(request.model_id, ())

    def of(self, model_id: str) -> list[InferenceRequest]:
        """Those waiting for a model, oldest first."""
        return list(self._by_model.get(model_id, ()))

    def count(self, model_id: str) -> int:
        return len(self._by_model.get(model_id, ()))

    def models(self) -> list[str]:
        """Models that somebody waits for, the one with the oldest request first."""
        heads = [next(iter(waiting)) for waiting in self._by_model.values() if waiting]
        heads.sort(key=lambda request: request.received_at)
        return [request.model_id for request in heads]

    def oldest(self) -> InferenceRequest | None:
        heads = (next(iter(waiting)) for waiting in self._by_model.values() if waiting)
        return min(heads, key=lambda request: request.received_at, default=None)

    def add(self, request: InferenceRequest) -> bool:
        """Take a request in; False if it was refused at once (full, `reject_newest`)."""
        if request in self:
            return True
        if request.supersede:
            self._supersede(request)
        while self._count >= self._config.max_queue_size:
            reason = f"the queue is full ({self._config.max_queue_size})"
            if self._config.overflow_policy == "reject_newest":
                self._removed.append((request, Status.DROPPED, reason))
                return False
            victim = self.oldest()
            assert victim is not None  # a full queue is not empty
            self.remove(victim, Status.DROPPED, f"{reason}; this was the oldest in it")
        self._insert(request)
        return True

    def put_back(self, request: InferenceRequest) -> bool:
        """Take one back that was out already (a retry, a change of strategy).

        It gets its old place, in however full a queue. False if it ended meanwhile, because its
        client superseded it.
        """
        for newer in self._by_client.get((request.client_id, request.model_id), ()):
            if newer.supersede and newer.received_at >= request.received_at:
                newer.waiting_since = min(newer.waiting_since, request.waiting_since)
                self._removed.append((request, Status.SUPERSEDED, _SUPERSEDED))
                return False
        waiting = self._by_model.get(request.model_id)
        if waiting and next(reversed(waiting)).received_at > request.received_at:
            older = [other for other in waiting if other.received_at < request.received_at]
            ordered = [*older, request, *waiting]  # of the twice named, the first place counts
            self._by_model[request.model_id] = dict.fromkeys(ordered)
        self._insert(request)
        return True

    def take(self, requests: Iterable[InferenceRequest]) -> None:
        """These are being served."""
        for request in requests:
            self._discard(request)

    def remove(self, request: InferenceRequest, status: Status, reason: str) -> None:
        """This one ends here, unserved."""
        self._discard(request)
        self._removed.append((request, status, reason))

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

    def take_removed(self) -> list[Removed]:
        removed, self._removed = self._removed, []
        return removed

    def drain(self) -> list[InferenceRequest]:
        """Everything that waits, oldest first, for another queue to take over."""
        requests = [request for waiting in self._by_model.values() for request in waiting]
        self.take(requests)
        return sorted(requests, key=lambda request: request.received_at)

    def _supersede(self, request: InferenceRequest) -> None:
        older = self._by_client.get((request.client_id, request.model_id))
        if not older:
            return
        for old in list(older):
            # A robot that refreshes its observation must not lose its place in time.
            request.waiting_since = min(request.waiting_since, old.waiting_since)
            self.remove(old, Status.SUPERSEDED, _SUPERSEDED)

    def _insert(self, request: InferenceRequest) -> None:
        self._by_model.setdefault(request.model_id, {})[request] = None
        self._by_client.setdefault((request.client_id, request.model_id), {})[request] = None
        self._count += 1

    def _discard(self, request: InferenceRequest) -> None:
        del self._by_model[request.model_id][request]
        key = (request.client_id, request.model_id)
        of_client = self._by_client[key]
        del of_client[request]
        if not of_client:
            del self._by_client[key]
        self._count -= 1
