"""Computes the worth of answering an observation in time, from the published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..request import InferenceRequest

if TYPE_CHECKING:
    from ..config.schema import DeadlineAwareConfig

# Waiting this long counts once in full, and the same again for every further such time: whatever
# the other terms say, one that waits outweighs newer ones of its tier in the end.
_AGE_UNIT_S = 0.25
# A deadline this far away presses half as much as one that is due.
_HALF_PRESSURE_S = 0.05


class Utility:
    """worth = tier * need * pressure

        tier     = (1 + priority_weight) ^ -priority
        need     = 1 + urgency_weight/100 * urgency
                     + steps_weight/100 / (1 + steps_remaining)        0 where unknown
                     + age_weight/100 * age / 250 ms                   without bound
        pressure = 1 + cadence_weight/100 / (1 + slack / 50 ms)

    Weights are percentages of an observation of tier 0 that claims nothing, but for the priority,
    which says how many times more a tier is worth than the next one. A weight of 0 switches its
    term off. Worth is always finite and never negative.
    """

    def __init__(self, weights: DeadlineAwareConfig) -> None:
        self._tier = 1.0 + weights.priority_weight
        self._urgency = weights.urgency_weight / 100.0
        self._steps = weights.steps_weight / 100.0
        self._age = weights.age_weight / 100.0 / _AGE_UNIT_S
        self._pressure = weights.cadence_weight / 100.0
        self._tiers: dict[int, float] = {}

    def static(self, request: InferenceRequest) -> float:
        """What does not change while it waits: tier * need without its age."""
        need = 1.0 + self._urgency * request.urgency
        if request.steps_remaining is not None:
            need += self._steps / (1 + request.steps_remaining)
        return self.tier(request.priority) * need

    def tier(self, priority: int) -> float:
        """How much the tier counts; the tiers of a flood of clients are not remembered."""
        factor = self._tiers.get(priority)
        if factor is None:
            factor = self._tier ** -min(priority, 100)
            if len(self._tiers) < 100:
                self._tiers[priority] = factor
        return factor

    def now(self, static: float, priority: int, age: float, slack: float) -> float:
        """All of it: what `static` gave, after waiting for `age` s, with `slack` s left."""
        worth = static + self.tier(priority) * self._age * max(0.0, age)
        if slack <= 0.0:
            return worth * (1.0 + self._pressure)
        return worth * (1.0 + self._pressure / (1.0 + slack / _HALF_PRESSURE_S))
