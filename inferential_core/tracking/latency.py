"""How long a model takes for a batch of b, learned while it runs: L(b) = a + c*b."""

from __future__ import annotations

import math


class LatencyModel:
    """Recursive least squares on (b, seconds) with forgetting; O(1) per batch.

    The first call of a model is its warm-up and is not learned from. Until batches of different
    sizes were seen, the prior (everything is fixed cost) keeps the two parts apart.
    """

    FORGETTING = 0.98
    _PRIOR = 1e3  # initial covariance, relative to (seconds / observation)^2

    def __init__(self) -> None:
        self.calls = 0
        self.fixed = math.nan  # a, s
        self.per_observation = math.nan  # c, s
        self._p = (self._PRIOR, 0.0, self._PRIOR * 1e-3)  # symmetric 2 x 2
        self._variance = 0.0

    def learn(self, batch_size: int, seconds: float) -> None:
        self.calls += 1
        if self.calls == 1:
            return
        if math.isnan(self.fixed):
            self.fixed, self.per_observation = seconds, 0.0
            return
        p00, p01, p11 = self._p
        b = float(batch_size)
        # gain = P x / (forgetting + x' P x) with x = (1, b)
        px0, px1 = p00 + p01 * b, p01 + p11 * b
        scale = self.FORGETTING + px0 + px1 * b
        k0, k1 = px0 / scale, px1 / scale
        error = seconds - (self.fixed + self.per_observation * b)
        self.fixed += k0 * error
        self.per_observation += k1 * error
        self._variance += (1 - self.FORGETTING) * (error * error - self._variance)
        # Without batches of different sizes P would grow for ever in the direction not seen.
        limit = self._PRIOR
        self._p = (
            min((p00 - k0 * px0) / self.FORGETTING, limit),
            (p01 - k0 * px1) / self.FORGETTING,
            min((p11 - k1 * px1) / self.FORGETTING, limit),
        )

    def predict(self, batch_size: int) -> float:
        """Expected seconds for a batch; 0 while nothing is known."""
        if math.isnan(self.fixed):
            return 0.0
        return max(0.0, self.fixed + self.per_observation * batch_size)

    @property
    def deviation(self) -> float:
        """Standard deviation of what the model took around the prediction, s."""
        return math.sqrt(self._variance)
