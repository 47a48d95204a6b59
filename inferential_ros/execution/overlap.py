"""What a new plan does where it overlaps the one at hand. The seam for other ways of blending.

A mode is a function (plan at hand or None, new plan, now in ns) -> plan to execute.
"""

from __future__ import annotations

from collections.abc import Callable

from inferential_ros.execution.plan import Plan

Overlap = Callable[["Plan | None", Plan, int], Plan]


def latest(current: Plan | None, new: Plan, now_ns: int) -> Plan:
    """The newer plan knows more: it replaces the older one whole."""
    return new


MODES: dict[str, Overlap] = {"latest": latest}
