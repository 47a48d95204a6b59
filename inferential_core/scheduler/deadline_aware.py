"""Weighted scoring, re-evaluated whenever a batch is formed (the default strategy)."""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..clock import Clock
from ..request import InferenceRequest
from ..tracking.latency import LatencyModel
from .base import policy_named, register_scheduler
from .batching import BatchScheduler

if TYPE_CHECKING:
    from ..config.schema import SchedulingConfig

_log = logging.getLogger(__name__)

# A deadline this far away weighs half as much as one that is due.
_HALF_PRESSURE_S = 0.05
# Waiting this long earns the full age weight, and the same again for every further such time:
# whatever the other terms say, a request that waits outscores newer ones in the end.
_AGE_UNIT_S = 0.25


@register_scheduler("deadline_aware")
class DeadlineAware(BatchScheduler):
    """Highest score first; O(n log b) per batch.

    score = cadence_weight * 1 / (1 + slack / 50 ms)      slack to the deadline, not below 0
          + urgency_weight * urgency
          + steps_weight * 1 / (1 + steps_remaining)       0 where unknown
          + priority_weight * 1 / (1 + priority)           tier 0 scores most
          + age_weight * age / 250 ms                      without bound: nobody starves

    The observations of one client keep their order: its best score goes to its oldest one.

    A registered `policy` replaces the sum; one that raises is replaced by the sum for that
    request.
    """

    def __init__(self, config: SchedulingConfig, clock: Clock | None = None) -> None:
        super().__init__(config, clock)
        self._weights = config.deadline_aware
        self._policy = policy_named(config.policy) if config.policy else None
        self._policy_failed = False

    def choose(
        self, waiting: Sequence[InferenceRequest], limit: int, now: float, latency: LatencyModel
    ) -> list[InferenceRequest]:
        if len(waiting) == 1 and limit > 0:  # nobody to compare it with
            return list(waiting)
        of_client: dict[str, list[InferenceRequest]] = {}
        for request in waiting:
            request.score = self._score(request, now)
            of_client.setdefault(request.client_id, []).append(request)
        for own in of_client.values():
            if len(own) > 1:
                _in_order(own)
        return heapq.nlargest(limit, waiting, key=lambda request: request.score)

    def _score(self, request: InferenceRequest, now: float) -> float:
        if self._policy is not None:
            try:
                score = float(self._policy(request))
                if math.isnan(score):  # has no place in any order
                    raise ValueError("the score is not a number")
                return score
            except (Exception, SystemExit):
                if not self._policy_failed:
                    self._policy_failed = True
                    _log.exception(
                        "policy %r raised; the built-in score is used where it does, and further"
                        " errors are not logged",
                        self.config.policy,
                    )
        return self.built_in_score(request, now)

    def built_in_score(self, request: InferenceRequest, now: float) -> float:
        weights = self._weights
        score = weights.cadence_weight / (1 + max(0.0, request.slack(now)) / _HALF_PRESSURE_S)
        score += weights.urgency_weight * request.urgency
        if request.steps_remaining is not None:
            score += weights.steps_weight / (1 + request.steps_remaining)
        score += weights.priority_weight / (1 + request.priority)
        score += weights.age_weight * request.age(now) / _AGE_UNIT_S
        return score


def _in_order(own: list[InferenceRequest]) -> None:
    """Give a client's scores to its observations in the order in which it made them.

    It takes the results in that order, and a published client cannot tell them apart otherwise.
    """
    scores = sorted((request.score for request in own), reverse=True)
    for request, score in zip(own, scores):
        request.score = score
