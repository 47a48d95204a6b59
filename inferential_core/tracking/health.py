"""How well a model does, and the circuit breaker that keeps requests from one that does not.

closed      requests are taken in
open        the model fails: requests are answered at once, with the reason
half_open   the pause is over: one batch tries it; one success closes the circuit again

It opens when nothing succeeded for a while in which several observations failed. Failures of one
single client do not open it, unless the model could not even be asked: the fault may be its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ModelUnavailable

if TYPE_CHECKING:
    from ..config.schema import HealthConfig

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


@dataclass(frozen=True)
class BreakerRule:
    """When the circuit opens and for how long."""

    failures: int = 5  # observations failed in a row; 0: it never opens
    window_s: float = 0.5  # in which nothing succeeded
    open_s: float = 1.0  # first pause; twice as long after each try that fails
    most_open_s: float = 1.5  # robots are to be back within 3 s of the end of a fault

    @classmethod
    def of(cls, health: HealthConfig) -> BreakerRule:
        """The rule that the section `health` of the configuration states."""
        return cls(**health.model_dump())


class Health:
    """Of one model. Times are monotonic seconds; `error_rate` and `latency_s` forget gradually."""

    _MEMORY = 0.1  # weight of the newest call in latency_s
    _ERROR_MEMORY = 0.05  # weight of the newest observation in error_rate

    def __init__(self, rule: BreakerRule | None = None) -> None:
        self.latency_s = math.nan  # of a call
        self.error_rate = 0.0  # 0 to 1
        self.last_error = ""
        self.rule = rule or BreakerRule()
        self._failed = 0  # observations in a row
        self._failing_since = math.inf
        self._clients: set[str] = set()  # whose they were
        self._unavailable = False
        self._open_until = -math.inf
        self.closed = True
        self._pause_s = 0.0
        self.trying = False  # with a batch, while its circuit is not closed: one at a time

    def circuit(self, now: float) -> str:
        """closed, open or half open at that moment, monotonic s."""
        if self.closed:
            return CLOSED
        return OPEN if now < self._open_until else HALF_OPEN

    def refusal(self, now: float) -> str:
        """Why a request is not taken in now; empty: it is."""
        if self.closed:
            return ""
        wait_s = self._open_until - now
        if wait_s > 0:
            return f"the model keeps failing, next try in {wait_s:.1f} s: {self.last_error}"
        return f"the model keeps failing, it is being tried: {self.last_error}" * self.trying

    def recovered(self) -> None:
        """What kept it from answering is known to be over: the circuit closes."""
        self._close()

    def begun(self) -> None:
        """A call of the model has begun whose circuit is not closed: it is the trial."""
        self.trying = True

    def succeeded(self, observations: int, seconds: float) -> bool:
        """A call answered so many; True if that closed the circuit."""
        if self.error_rate:
            self._learn_errors(observations, 0.0)
        if math.isnan(self.latency_s):
            self.latency_s = seconds
        else:
            self.latency_s += self._MEMORY * (seconds - self.latency_s)
        was_open = not self.closed
        if was_open or self._failed:
            self._close()
        return was_open

    def _close(self) -> None:
        self._failed = 0
        self._failing_since = math.inf
        self._clients.clear()
        self._unavailable = False
        self.closed = True
        self.trying = False

    def failed(self, client_id: str, error: Exception, described: str, now: float) -> None:
        """An observation ended in `error`."""
        self._learn_errors(1, 1.0)
        self.last_error = described
        self._failed += 1
        self._failing_since = min(self._failing_since, now)
        if len(self._clients) < 2:
            self._clients.add(client_id)
        self._unavailable = self._unavailable or isinstance(error, ModelUnavailable)

    def batch_failed(self, failures: int, now: float) -> bool:
        """A call answered nothing at all, after so many `failed`; True if that opened it."""
        rule = self.rule
        if not failures:
            self.trying = False  # its observations were to blame: another one tries
            return False
        if not self.closed:
            if not self.trying:
                return False  # begun before the circuit opened
            self._pause_s = min(rule.most_open_s, 2.0 * self._pause_s)
        elif (
            rule.failures
            and self._failed >= rule.failures
            and now - self._failing_since >= rule.window_s
            and (self._unavailable or len(self._clients) > 1)
        ):
            self.closed = False
            self._pause_s = rule.open_s
        else:
            return False
        self.trying = False
        self._open_until = now + self._pause_s
        return True

    def _learn_errors(self, observations: int, value: float) -> None:
        keep = (1.0 - self._ERROR_MEMORY) ** observations
        self.error_rate = keep * self.error_rate + (1.0 - keep) * value
