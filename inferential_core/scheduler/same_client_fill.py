"""More than one observation of a client in a batch, where nobody else could use the place."""

from __future__ import annotations

from itertools import islice

from ..request import InferenceRequest
from .client_queue import ClientQueue
from .fair_share import record_service
from .model_queue import ModelQueue
from .pending import Pending
from .selection import batch_size_without_harm


def fill_from_same_clients(
    board: ModelQueue, pending: Pending, model_id: str, lines: list[ClientQueue], now: float
) -> list[InferenceRequest]:
    """The next observations of those in the batch, one of each in turn.

    Of those who are charged only where the model is done with all of them in no time.

    None while anybody waits who is not in the batch.
    """
    waiting = pending.count(model_id)
    if waiting == len(lines) or len(lines) < board.waiting():
        return []
    seconds = board.timing.seconds
    harmless = board.timing.harmless
    room = len(seconds) - 1
    if not (harmless or board.alone(now)):
        room = batch_size_without_harm(board, seconds)
    room = min(room, waiting) - len(lines)
    queues = [
        (line, islice(pending.of_client(line.client_id, model_id), 1, None))
        for line in lines
        if harmless or line not in board.charged
    ]
    chosen: list[InferenceRequest] = []
    while queues and len(chosen) < room:
        left = []
        for line, queue in queues:
            request = next(queue, None)
            if request is not None and len(chosen) < room:
                left.append((line, queue))
                chosen.append(request)
                record_service(line, request)
        queues = left
    return chosen
