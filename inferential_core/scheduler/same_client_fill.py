"""Fills a batch with more observations of the same clients, if nobody else needs the places."""

from __future__ import annotations

from itertools import islice

from ..request import InferenceRequest
from .client_queue import ClientQueue
from .fair_share import record_service
from .model_queue import ModelQueue
from .pending import Pending
from .selection import batch_size_without_harm


def fill_from_same_clients(
    queue: ModelQueue, pending: Pending, model_id: str, clients: list[ClientQueue], now: float
) -> list[InferenceRequest]:
    """The next observations of those in the batch, one of each in turn.

    Of those who are charged only where the model is done with all of them in no time.

    None while anybody waits who is not in the batch.
    """
    waiting = pending.count(model_id)
    if waiting == len(clients) or len(clients) < queue.waiting():
        return []
    seconds = queue.timing.seconds
    harmless = queue.timing.harmless
    room = len(seconds) - 1
    if not (harmless or queue.alone(now)):
        room = batch_size_without_harm(queue, seconds)
    room = min(room, waiting) - len(clients)
    rest = [
        (client, islice(pending.of_client(client.client_id, model_id), 1, None))
        for client in clients
        if harmless or client not in queue.charged
    ]
    chosen: list[InferenceRequest] = []
    while rest and len(chosen) < room:
        left = []
        for client, observations in rest:
            request = next(observations, None)
            if request is not None and len(chosen) < room:
                left.append((client, observations))
                chosen.append(request)
                record_service(client, request)
        rest = left
    return chosen
