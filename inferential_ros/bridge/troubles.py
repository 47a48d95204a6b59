"""What goes wrong, by kind, and when each kind is told: no kind hides another.

No rclpy in here and no clock: times are handed in. Guarded by the session's lock.
"""

from __future__ import annotations

from dataclasses import dataclass

QUIET_S = 5.0  # after a kind was told it only counts for so long


@dataclass
class _Trouble:
    reason: str = ""
    untold: int = 0
    told_s: float = float("-inf")


class Troubles:
    """The newest reason of every kind since it was last told."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Trouble] = {}

    def add(self, kind: str, reason: str) -> None:
        trouble = self._kinds.setdefault(kind, _Trouble())
        trouble.reason = reason
        trouble.untold += 1

    def news(self, now_s: float) -> list[str]:
        """What is to be told now."""
        lines = []
        for trouble in self._kinds.values():
            if trouble.untold and now_s - trouble.told_s >= QUIET_S:
                more = f" ({trouble.untold} times)" if trouble.untold > 1 else ""
                lines.append(trouble.reason + more)
                trouble.untold, trouble.told_s = 0, now_s
        return lines
