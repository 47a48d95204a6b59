"""Counts how every observation ends: in exactly one outcome, with a sum that adds up."""

from __future__ import annotations

from ..status import SERVER_OUTCOMES, Status


class Ledger:
    """received = outcomes + queued + in flight, at any moment."""

    def __init__(self) -> None:
        self.received = 0
        self.outcomes: dict[Status, int] = dict.fromkeys(SERVER_OUTCOMES, 0)
        self.malformed = 0  # messages that named no client and model: never received
        self.undelivered = 0  # replies whose client was gone or did not read

    def settled(self) -> int:
        """How many observations have ended, in whichever way."""
        return sum(self.outcomes.values())

    def balance(self, queued: int, in_flight: int) -> int:
        """0, or how many observations were lost (positive) or counted twice (negative)."""
        return self.received - self.settled() - queued - in_flight
