"""What is demanded of every fault, and the line that tells how it went."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BACK_S = 3.0  # after the end of a fault everybody acts on something newly observed
STATUSES = ("ok", "expired", "superseded", "dropped", "rejected", "error", "lost")
HEAD = f"""{"fault":22}{"s":>5}{"sent":>7}{"".join(f"{name[:5]:>6}" for name in STATUSES)}\
{"refused":>8}{"silence s":>14}{"oldest":>8}{"beyond":>7}{"back s":>14}  accounts  verdict
{"":84}{"robots bridge":>14}{"s":>8}{"lease":>7}{"robots bridge":>14}"""


@dataclass
class Row:
    """Of one fault."""

    name: str
    seconds: float
    outcomes: Counter[str] = field(default_factory=Counter)  # of the simulated robots
    silence_s: dict[str, float] = field(default_factory=dict)  # longest, of robots and bridges
    back_s: dict[str, float] = field(default_factory=dict)  # of the last one
    oldest_s: float = 0.0  # age of an action when it was published; the lease bounds it
    beyond: int = 0  # actions published after their lease
    accounts: str = ""  # what does not add up; empty: all does
    broken: list[str] = field(default_factory=list)  # promises
    remark: str = ""


def judge_robots(row: Row, kind: str, found: list[dict[str, Any]]) -> None:
    """The findings of the witnesses of one kind of robot."""
    row.silence_s[kind] = max(each["silence_s"] for each in found)
    row.back_s[kind] = max(each["back_s"] for each in found)
    row.oldest_s = max(row.oldest_s, *(each["oldest_s"] for each in found))
    row.beyond += sum(each["beyond"] for each in found)
    row.broken += [told for each in found for told in each["told"]]
    if not row.back_s[kind] <= BACK_S:
        late = sum(not each["back_s"] <= BACK_S for each in found)
        row.broken.append(f"{late} {kind} were not back within {BACK_S:g} s")


def judge_accounts(
    row: Row,
    robots: Mapping[str, Counter[str]],
    before: Mapping[str, int],
    after: Mapping[str, int],
    *,
    exact: bool,
    unended: int,
    unbalanced: int,
) -> None:
    """What robots sent and heard, beside what the server says it received.

    exact: no message can have been lost on the way, so that both must be the same; where some
    can, the server received at least what it answered and at most what was sent.
    """
    faults = []
    if unbalanced:
        faults.append(f"the server's counters did not add up {unbalanced} times")
    if unended:
        faults.append(f"{unended} observations found no end")
    for name, counts in robots.items():
        sent = counts["sent"]
        ended = sum(counts[status] for status in STATUSES)
        received = after.get(name, 0) - before.get(name, 0)
        answered = ended - counts["lost"]
        if ended + unended < sent or ended > sent:
            faults.append(f"{name} sent {sent}, and {ended} ended")
        elif exact and received != sent:
            faults.append(f"{name} sent {sent}, the server received {received}")
        elif received > sent or (before and received < answered):
            faults.append(f"{name}: {answered} answered of {received} received of {sent} sent")
    row.accounts = "; ".join(faults[:3])
    row.broken += faults


def show(row: Row) -> str:
    """One line, and a second one where there is more to say."""
    silences, returns = (
        "".join(f"{value:7.2f}" if math.isfinite(value) else "  never" for value in each.values())
        for each in (row.silence_s, row.back_s)
    )
    counts = "".join(f"{row.outcomes[name]:6}" for name in STATUSES)
    line = f"{row.name:22}{row.seconds:5.1f}{row.outcomes['sent']:7}{counts}"
    line += f"{row.outcomes['refused']:8}{silences}{row.oldest_s:8.2f}{row.beyond:7}{returns}"
    line += f"  {'WRONG' if row.accounts else 'exact':8}  {'BROKEN' if row.broken else 'held'}"
    told = [row.remark] if row.remark else []
    return "\n".join([line, *(f"    {each}" for each in (*told, *row.broken[:4]))])
