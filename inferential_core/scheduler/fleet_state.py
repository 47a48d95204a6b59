"""Watches whether a fleet is more than its model can carry: how many of its robots run dry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .headroom import Demand, spread, usual_rate

_NEWEST = 0.02  # weight of the newest observation in the share of those that came dry
_TOO_MANY = 0.13  # that share, above which the fleet is overloaded
_FEW_ENOUGH = 0.07  # and below which it no longer is
_STOOD_S = 0.7  # standing so long, one robot suffices
_STOOD_LONG_S = 1.5  # and so long where the fleet asks for less than full batches can answer
_NEARLY = 1.1  # of the model's time, that a fleet asks for which the model nearly carries
_COUNTED_S = 0.5  # the demand is counted so often


@dataclass(eq=False, slots=True)
class FleetState:
    """Of the robots of one model. A fleet that nobody watches never counts as overloaded.

    dry_share: of the observations, but for the first one of each robot and for those of clients
    that ask too much, the share whose robot had run dry; the newest count most.

    A fleet that asks for less than full batches can answer is not overloaded, however many run
    dry: those few have short chunks, and are better protected. It is once one of its robots stood
    for so long that protecting them does not help it.

    That share enters high and leaves low, so that what is done about an overload does not end it
    at once: robots that are kept moving tell of fewer dry ones.

    batch_size: of the batches that hints leave time for (`spread`); 0 until it is counted.

    tiers_first: its robots are of several tiers, and the model nearly carries them if they ask as
    late as they may: then to serve the first tier before all others costs these little.
    """

    watched: bool = True
    dry_share: float = 0.0
    overloaded: bool = False
    asks_too_much: bool = True  # as far as is known
    batch_size: int = 0
    tiers_first: bool = False
    stood: bool = False  # one robot, for too long, since it was not overloaded last
    _counted_at: float = -math.inf

    def count(
        self,
        demands: Callable[[float], list[Demand]],
        seconds: Sequence[float],
        lanes: int,
        now: float,
    ) -> None:
        """See what robots ask for (`demands` at a time), where batches take `seconds`.

        Twice a second, at the cost of `spread`.
        """
        if now >= self._counted_at + _COUNTED_S:
            self._counted_at = now
            robots = demands(now)
            most = lanes * (len(seconds) - 1) / seconds[-1]
            self.asks_too_much = len(robots) * usual_rate(robots) > most  # False for NaN
            self.batch_size, load = spread(robots, seconds, lanes)
            self.tiers_first = 0.0 < load <= _NEARLY and len({each.tier for each in robots}) > 1
            self.overloaded = self.overloaded and (self.asks_too_much or self.stood)

    def note(self, dry: bool) -> None:
        """An observation came, or was served, whose robot was dry by then, or was not."""
        self.dry_share += _NEWEST * (dry - self.dry_share)
        limit = _FEW_ENOUGH if self.overloaded else _TOO_MANY
        too_much = self.watched and (self.asks_too_much or self.stood)
        self.overloaded = too_much and self.dry_share > limit
        self.stood = self.stood and self.overloaded

    def note_standing(self, seconds: float) -> None:
        """A robot stands still for so long already, and waits."""
        longest = _STOOD_S if self.asks_too_much else _STOOD_LONG_S
        if self.watched and longest < seconds < math.inf:
            self.overloaded = True
            self.stood = self.stood or seconds > _STOOD_LONG_S
            self.dry_share = max(self.dry_share, _TOO_MANY)
