"""Keeps failures by kind until the console reports them, so that no kind hides another.

inferential_core's ThrottledLog writes the first of a kind at once and counts the rest; here the
newest reason of each kind is kept for the next report, and nothing is written. No rclpy in here
and no clock: times are handed in. Guarded by the bridge's lock.
"""

from __future__ import annotations

from dataclasses import dataclass

QUIET_S = 5.0  # a kind that was told is only counted for so long


@dataclass
class _Kind:
    newest_reason: str = ""
    count: int = 0  # since it was told last
    told_s: float = float("-inf")


class FailureLog:
    """The newest reason of every kind of failure since that kind was told last."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, reason: str) -> None:
        """Note one more failure of that kind."""
        entry = self._kinds.setdefault(kind, _Kind())
        entry.newest_reason = reason
        entry.count += 1

    def lines_to_tell(self, now_s: float) -> list[str]:
        """A line for every kind that is to be told now; it counts as told from then on."""
        lines = []
        for kind in self._kinds.values():
            if kind.count and now_s - kind.told_s >= QUIET_S:
                more = f" ({kind.count} times)" if kind.count > 1 else ""
                lines.append(kind.newest_reason + more)
                kind.count, kind.told_s = 0, now_s
        return lines
