"""Decides for whom a free model waits on purpose, if for anybody."""

from __future__ import annotations

from collections.abc import Collection

from ..request import InferenceRequest
from .anticipation import Wait
from .batching import Allowed
from .cadence_wait import wait_for_cadence
from .model_queue import ModelQueue


def wait_on_purpose(
    queue: ModelQueue,
    waiting: Collection[InferenceRequest],
    now: float,
    allowed: Allowed | None,
    by_deadline: bool,
) -> Wait | None:
    """Wait for robots that are about to ask, for images, or for robots that keep their cadence.

    by_deadline: whether batches are chosen by deadlines; a cadence says nothing else.
    """
    seconds = queue.timing.seconds
    anticipation = queue.anticipation
    coming: list[float] = []
    ready = len(waiting)
    if allowed is not None:
        coming = [each.ready_at for each in waiting if each not in allowed]
        ready -= len(coming)
    if ready >= len(seconds) - 1:
        return None
    # Of those that it may not be given now it is known when it may, if that is for images.
    if coming and min(coming) <= 0.0:
        return None
    wait = None
    if (anticipation.soon or coming) and not any(
        each.runs_dry_at > now  # who moves gains nothing
        for each in waiting
    ):
        deadlines = (each.deadline for each in waiting if not each.deadline_is_assumed)
        decoding_s = sum(each.decoding_s for each in waiting) / len(waiting)
        wait = anticipation.wait(ready, deadlines, now, seconds, coming, decoding_s)
    if (
        wait is None
        and by_deadline
        and not coming
        and not any(each.deadline_is_assumed for each in waiting)
    ):
        deadlines = (each.deadline for each in waiting)
        clients, since = queue.clients.values(), anticipation.waits_since
        wait = wait_for_cadence(deadlines, clients, now, seconds, since)
    return wait
