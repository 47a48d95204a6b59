"""When the answer to an observation has to leave the server."""

from __future__ import annotations

from ..request import InferenceRequest


def deadline_of(request: InferenceRequest, budget_is_stated: bool) -> float:
    """The moment after which an answer is late, in monotonic seconds.

    Where the robot tells when its actions run out, that moment counts, and its latency budget
    where that is stated and earlier. Where it does not: the budget, stated or configured, and the
    next observation that its cadence makes expect (`time_until_next`), which makes this one stale;
    the earlier of both. All are counted from when the observation was sent, where that is known,
    and the way back is taken to last as long as the way here.
    """
    runs_dry_at = request.runs_dry_at()
    tells = runs_dry_at == runs_dry_at  # not NaN
    if tells and not budget_is_stated:
        return runs_dry_at
    budget_s = request.latency_budget_ms / 1000.0
    if tells:
        return min(runs_dry_at, request.received_at + budget_s - 2.0 * request.one_way_s)
    left_s = min(budget_s, request.time_until_next)
    return request.received_at + left_s - 2.0 * request.one_way_s
