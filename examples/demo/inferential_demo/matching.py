"""Finds the first command that carries an action of a plan, and so the plan's true latency.

Commands have no stamp and may be published before the plan that they come from, so a command is
known by its value: that of one of the plan's steps, to the bit. Knows no ROS.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

LEAD_NS = 20_000_000  # a plan is published within this time after its first action
KEPT = 100  # newest of each


@dataclass(frozen=True)
class Announced:
    """A plan as it was published; the stamp is of the sensor reading it answers."""

    published_ns: int
    stamp_ns: int
    values: Collection[float]


class ActionMatcher:
    """Feed it what was published, take latencies out; all times are of one wall clock, in ns."""

    def __init__(self) -> None:
        self._plans: deque[Announced] = deque(maxlen=KEPT)
        self._commands: deque[tuple[int, float]] = deque(maxlen=KEPT)

    def plan(self, published_ns: int, stamp_ns: int, values: Collection[float]) -> None:
        """A plan was published."""
        self._plans.append(Announced(published_ns, stamp_ns, values))

    def command(self, published_ns: int, value: float) -> None:
        """A command was published."""
        self._commands.append((published_ns, value))

    def latencies(self) -> list[tuple[int, int]]:
        """(when published, latency) of first actions found since the last call, in ns."""
        found = []
        while self._plans:
            plan = self._plans[0]
            first_ns = self._first_action_ns(plan)
            if first_ns is not None:
                found.append((first_ns, first_ns - plan.stamp_ns))
                while self._commands and self._commands[0][0] <= first_ns:
                    self._commands.popleft()
            elif len(self._plans) == 1:
                break  # its first action may still come
            self._plans.popleft()  # matched, or replaced before it was executed
        return found

    def _first_action_ns(self, plan: Announced) -> int | None:
        earliest_ns = max(plan.stamp_ns, plan.published_ns - LEAD_NS)
        for published_ns, value in self._commands:
            if published_ns >= earliest_ns and value in plan.values:
                return published_ns
        return None
