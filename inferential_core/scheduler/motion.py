"""Selects the batch that keeps an overloaded fleet moving most. Pure arithmetic on its clients."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest
from typing import NamedTuple

from ..request import InferenceRequest
from .client_queue import ClientQueue
from .model_queue import ModelQueue

_AHEAD_S = 1.0  # a tier stands before the next one as if it had waited so much longer
_FRESH = 0.15  # of a chunk, that a robot had left when its observation was made
_SIZES = 16  # of batches that are compared, where more could be formed: as many in even steps


class Rule(NamedTuple):
    """How tiers count. By default, a tier decides among robots that are equally dry.

    strict: tiers come before all else, and a batch is as long as suits those it serves first.
    tier_weight: how many times more a tier is worth than the next one, where they are strict.
    """

    strict: bool = False
    tier_weight: float = 11.0


BY_TIER = Rule(strict=True, tier_weight=1.0)  # who is served by tier, how many by motion


def crossed(client: ClientQueue) -> bool:
    """Whether it said that it was dry before it could know of the answer that was on its way."""
    head = client.head
    assert head is not None
    return head.steps_remaining == 0 and head.received_at <= client.knows_at


def needless(client: ClientQueue, answered: InferenceRequest) -> bool:
    """Whether the refresh of a client crossed an answer that brings nearly as much motion.

    That is one to a robot that had few actions left: it holds nearly a whole chunk of new ones.
    """
    if client.head is None or not client.head.supersede or not crossed(client):
        return False
    return 0 < (answered.steps_remaining or 0) < _FRESH * client.horizon


def without_crossed(clients: list[ClientQueue]) -> list[ClientQueue]:
    """Those whose observation did not cross an answer; all where there are no others."""
    return [each for each in clients if not crossed(each)] or clients


def most_moving(
    queue: ModelQueue, overdue: list[ClientQueue], seconds: Sequence[float], rule: Rule
) -> list[ClientQueue]:
    """At most len(seconds) - 1 clients, overdue ones first: the batch that moves robots most.

    Of a robot that refreshes its observation, an answer buys what its chunk holds beyond the
    actions that are left, so dry ones come first. Of others it buys a chunk. Whoever is in a
    batch stands still for as long as the batch takes, once it is dry. So of the batches that take
    the first of them, the one with the most motion, less that time, per second of the model:

        max over b of  sum over i in the first b of (1 - max(left_i, L(b)) / chunk_i) / L(b)

    where chunk_i and left_i are how long the chunk of a robot lasts and what is left of it, s.
    A refresh that crossed its answer takes no place while anybody else waits. O(n + B).
    """
    limit = len(seconds) - 1
    # written out, as 1,000 may wait: a call for each of them would take longer than all else
    ranked, stale = [], []
    for number, client in enumerate((*queue.in_time, *queue.late)):
        head = client.head
        assert head is not None
        steps, tier = head.steps_remaining, head.priority
        if steps == 0 and head.received_at <= client.knows_at:
            stale.append(client)
            continue
        served_at = client.served_at
        since = head.waiting_since if head.waiting_since > served_at else served_at
        left = 0.0
        ahead_s = seconds[limit]
        if steps is not None and head.supersede and client.horizon:
            left = steps / client.horizon
            ahead_s = _AHEAD_S
        ranked.append((tier if rule.strict else 0, left, since + tier * ahead_s, number, client))
    count = len(overdue)
    first = [entry[-1] for entry in nsmallest(limit, ranked)]
    if count:
        first = [*overdue, *(client for client in first if client not in overdue)][:limit]
    if not first:
        first = sorted(stale, key=_since)[:limit]
    size = _best_size(first, count, seconds, rule)
    if size < len(ranked):
        return first[:size]
    spare = queue.charged.first(limit - size)  # nobody is left out
    return first[:size] + ([each for each in spare if not crossed(each)] if size else spare)


def _best_size(
    clients: list[ClientQueue], least: int, seconds: Sequence[float], rule: Rule
) -> int:
    """How many of the first clients to serve, at least `least`."""
    # of each: its weight, what is left of its chunk, and how long that lasts (0: nobody knows)
    parts = [(*_left_and_chunk(client), _weight(client, rule)) for client in clients]
    stands = 2.0 if rule.strict else 1.0  # those who are served next stand as long
    best, best_rate = least, -1.0
    step = 1 + len(clients) // _SIZES
    for size in sorted({*range(max(1, least), len(clients) + 1, step), len(clients)} - {0}):
        taken = seconds[size]
        stood = stands * taken
        total = 0.0
        for left, chunk, weight in parts[:size]:
            lost = (left if left > stood else stood) / chunk if chunk else 0.0
            if lost < 1.0:
                total += weight * (1.0 - lost)
        if total / taken >= best_rate:
            best, best_rate = size, total / taken
    return best


def _left_and_chunk(client: ClientQueue) -> tuple[float, float]:
    head = client.head
    assert head is not None
    if head.steps_remaining is None or not head.supersede:
        return 0.0, 0.0
    return head.steps_remaining * client.period_s, client.horizon * client.period_s


def _weight(client: ClientQueue, rule: Rule) -> float:
    if not rule.strict:
        return 1.0
    head = client.head
    assert head is not None
    return float(rule.tier_weight ** -min(head.priority, 100))


def _since(client: ClientQueue) -> float:
    return client.since
