"""Decides the state of a robot, in one word and with one line that says why."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .window import JUDGED_S, ClientWindow

ACTIVE, OVERDUE, STARVING, GONE = "active", "overdue", "starving", "gone"
VISITOR = "visitor"  # only asked what a model takes: a check, no robot
# Who is a little overdue now and then keeps its place: rows that jump cannot be read.
ORDER = {STARVING: 0, OVERDUE: 1, ACTIVE: 1, GONE: 2, VISITOR: 3}

# Starving: more than this share of what it asked in the last seconds came late or not at all.
MOST_MISSED = 0.2


class Verdict(NamedTuple):
    """One of the five words, and why."""

    state: str
    why: str


def judge(client: dict[str, Any], window: ClientWindow, now: float, overdue: float) -> Verdict:
    """Of one entry of Server.status()["clients"].

    overdue: multiple of its own cadence after which a silent client is overdue.
    """
    answered = client["deadline_hits"] or client["deadline_misses"]  # by a model
    if client["received"] == client["ok"] and not answered:
        return Verdict(VISITOR, "")
    if not client["connected"]:
        return Verdict(GONE, f"silent for {_duration(client['silence_s'])}")
    rate = client["rate_hz"]
    interval = 1.0 / rate if rate > 0.0 else math.nan
    ends, in_time, unanswered = window.judged(now)
    if ends and ends - in_time > MOST_MISSED * ends:
        late = ends - in_time - unanswered
        parts = [f"{late} late"] * bool(late) + [f"{unanswered} not answered"] * bool(unanswered)
        # The last error is of one of those: what was superseded is neither an end nor an error.
        error = client["last_error"] if unanswered else ""
        why = f"{' and '.join(parts)} of {ends} in {JUDGED_S:g} s"
        return Verdict(STARVING, f"{why}: {error}" if error else why)
    waits = client["received"] - client["ok"] - client["failed"] > 0
    since = window.answered_at if window.answered_at == window.answered_at else window.first_seen
    patience = max(JUDGED_S, 2.0 * interval) if interval == interval else JUDGED_S
    if waits and now - since > patience:
        return Verdict(STARVING, f"no answer for {_duration(now - since)}")
    silence = client["silence_s"]
    if client.get("overdue", silence > max(overdue * interval, 0.0)):
        usual = f", usually one every {_duration(interval)}" if interval == interval else ""
        return Verdict(OVERDUE, f"nothing for {_duration(silence)}{usual}")
    return Verdict(ACTIVE, "")


def _duration(seconds: float) -> str:
    if seconds < 1.0:
        return f"{1000.0 * seconds:.0f} ms"
    if seconds < 10.0:
        return f"{seconds:.1f} s"
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min"
