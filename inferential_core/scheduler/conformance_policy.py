"""Checks a scoring policy of a user's against what a server needs of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from ..errors import describe
from ..request import InferenceRequest
from .base import Policy
from .conformance_calls import HANGS_S, Failure, Finding, Hangs, changed, observations, run_checks
from .user_code import UserThread

POLICY_S = 0.02  # what a policy has for all that wait


def check_policy(policy: Policy) -> Iterator[Finding]:
    """The findings about a scoring policy."""
    yield from run_checks(policy, _POLICY_CHECKS)


def _scores(policy: Policy, requests: list[InferenceRequest]) -> float:
    """Seconds that the scores of all of them took."""
    thread = UserThread("policy under test")
    began = monotonic()
    try:
        answer = thread.begin(lambda: [policy(request) for request in requests])
        if not answer.ready(HANGS_S):
            raise Hangs(f"it did not return within {HANGS_S:.0f} s")
        took = monotonic() - began
        try:
            scores = answer.get() or []
        except BaseException as error:
            raise Failure(f"it raised {describe(error)}") from None
    finally:
        thread.close()
    for score in scores:
        try:
            number = float(score)
        except (TypeError, ValueError):
            raise Failure(f"a score is {score!r}, and must be a number") from None
        if number != number:
            raise Failure("a score is NaN, which has no place in any order")
    return took


def _scores_all(policy: Policy) -> None:
    _scores(policy, observations(200))


def _scores_extremes(policy: Policy) -> None:
    fields: list[dict[str, Any]] = [
        {"deadline": math.inf},
        {"steps_remaining": None},
        {"steps_remaining": 0, "control_period_s": 0.0},
        {"priority": 10**9},
        {"time_until_next": math.inf},
    ]
    requests = observations(len(fields))
    _scores(policy, [changed(each, **odd) for each, odd in zip(requests, fields)])


def _scores_in_time(policy: Policy) -> None:
    took = min(_scores(policy, observations(1000)) for _ in range(3))
    if took > POLICY_S:
        raise Failure(
            f"1000 scores took {1000 * took:.0f} ms, and have {1000 * POLICY_S:.0f} ms together"
        )


_POLICY_CHECKS: dict[str, Callable[[Policy], None]] = {
    "every observation has a score that is a number": _scores_all,
    "odd values have one, too": _scores_extremes,
    "the scores of a full queue come in time": _scores_in_time,
}
