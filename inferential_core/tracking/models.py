"""What the server knows of each model: its lanes, its latency, its health, its record."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..dispatch.base import ModelInfo
from ..errors import ModelUnavailable, UsageError
from ..models.specification import compile_specification
from ..models.validation import ANYTHING, Specification
from .latency import LatencyModel
from .placement import ANYWHERE, Anywhere

if TYPE_CHECKING:
    from ..config.schema import HealthConfig

_log = logging.getLogger(__name__)

_HAND_OVER = 32
_HAND_OVER_S = 1e-3


CLOSED, OPEN, HALF_OPEN, STARTING = "closed", "open", "half_open", "starting"


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
    """How well one model does, and the circuit breaker that keeps requests from one that does not.

    closed      requests are taken in
    open        the model fails: requests are answered at once, with the reason
    half_open   the pause is over: one batch tries it; one success closes the circuit again

    It opens when nothing succeeded for a while in which several observations failed. Failures of
    one single client do not open it, unless the model could not even be asked: the fault may be
    its own. Times are monotonic seconds; `error_rate` and `latency_s` forget gradually.
    """

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
        mean = self.latency_s
        self.latency_s = mean + self._MEMORY * (seconds - mean) if mean == mean else seconds
        if self.closed and not self._failed:
            return False
        was_open = not self.closed
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


@dataclass(eq=False)
class ModelRecord:
    """Counters of one model; batches in flight never exceed its lanes."""

    id: str
    max_batch: int
    lanes: int
    version: str = ""
    specification: Mapping[str, Any] = field(default_factory=dict)
    one_by_one: bool = False
    batch_sizes: tuple[int, ...] = ()  # that its calls have; none: any
    replicas: int = 1
    reads_pixels: bool = False
    takes: Specification = ANYTHING  # what observations are checked against
    unavailable: str = ""  # why its dispatcher cannot ask it now
    starting: str = ""  # the same, as long as it has never been ready: nobody asks it meanwhile
    change: str = ""  # what is being done to it: loading, replacing, unloading
    generation: int = 0  # of its ModelInfo: another one is another model
    valid_for_ms: float = 0.0  # lease on its answers, from their observation on; 0: none
    placement: Anywhere = ANYWHERE  # of the clients of a stateful model
    health: Health = field(default_factory=Health)
    latency: LatencyModel = field(default_factory=LatencyModel)
    busy_lanes: int = 0
    in_flight: int = 0  # observations
    batches: int = 0
    served: int = 0
    failed: int = 0
    mean_batch: float = math.nan
    busy_s: float = 0.0  # time its lanes worked, all together
    utilization: float = math.nan  # share of the last seconds that its lanes worked, 0 to 1

    labels: Mapping[str, str] = field(init=False)  # of its metrics

    _MEMORY = 0.05  # weight of the newest batch in mean_batch
    _UTILIZATION_MEMORY = 0.3  # weight of the newest second in utilization

    def __post_init__(self) -> None:
        self.labels = {"model": self.id}
        self._updated: tuple[float, float] | None = None  # when, and busy_s then

    @classmethod
    def of(cls, info: ModelInfo, rule: BreakerRule | None = None) -> ModelRecord:
        """The record of a model that is new."""
        record = cls(info.id, info.max_batch, info.lanes, health=Health(rule))
        record.generation = info.generation
        record.update(info)
        return record

    def inherit(self, earlier: ModelRecord) -> None:
        """Count what an earlier model of this id did as done under this id."""
        for name in ("batches", "served", "failed", "busy_s"):
            setattr(self, name, getattr(self, name) + getattr(earlier, name))
            setattr(earlier, name, 0)

    def update(self, info: ModelInfo) -> None:
        """Take over what its dispatcher says of it now."""
        self.max_batch = info.max_batch
        self.lanes = info.lanes
        self.replicas = info.replicas
        self.reads_pixels = info.reads_pixels
        self.version = info.version
        if info.specification != self.specification:
            self.specification = info.specification
            self.takes = _compiled(info)
        self.placement = self.placement.resized(info.lanes) if info.stateful else ANYWHERE
        if self.unavailable and not info.unavailable:
            self.health.recovered()
        self.unavailable = info.unavailable
        self.starting = info.unavailable if info.starting else ""
        self.one_by_one = info.one_by_one
        self.batch_sizes = info.batch_sizes
        self.latency.set_batch_sizes(info.batch_sizes)
        self.change = info.change
        if info.expected_s and not self.latency.largest_batch:  # nothing was learned yet
            self.latency.assume(info.expected_s, info.expected_deviation_s)

    @property
    def free(self) -> bool:
        """Whether the model can take a batch now."""
        return self.busy_lanes < self.lanes and not self.health.trying and not self.starting

    def refusal(self, now: float) -> str:
        """Why an observation for it is not taken in at `now`, monotonic s; empty: it is."""
        if self.starting:
            return f"the model is starting, ask again in a second: {self.starting}"
        return "" if self.health.closed else self.health.refusal(now)

    def most_at_once(self, max_batch_size: int) -> int:
        """How many observations to hand over together, where one call gets `max_batch_size`.

        A model that takes one per call gets more only if it is done with all of them within a
        millisecond: then waking it for each would cost more than the work itself.
        """
        if not self.one_by_one:
            return min(self.max_batch, max_batch_size)
        each = self.latency.fixed + self.latency.per_observation
        if not each > 0.0:  # nothing is known
            return 1
        if each * _HAND_OVER <= _HAND_OVER_S:
            return _HAND_OVER
        return int(_HAND_OVER_S / each) or 1

    def in_one_call(self, batch_size: int) -> int:
        """How many of a batch shared a call."""
        return 1 if self.one_by_one else batch_size

    def most_in_one_call(self, max_batch_size: int) -> int:
        """Observations that one call gets at most, where the server allows so many."""
        return self.in_one_call(min(self.max_batch, max_batch_size))

    def begin(self, batch_size: int) -> None:
        """A batch of so many observations goes to the model."""
        if not self.health.closed:
            self.health.begun()
        self.busy_lanes += 1
        self.in_flight += batch_size

    def end(self, batch_size: int, seconds: float, failed: int) -> None:
        """A batch is done; one that failed says nothing about how long work takes."""
        shared, calls = (1, batch_size) if self.one_by_one else (batch_size, 1)
        self.busy_lanes -= 1
        self.in_flight -= batch_size
        self.busy_s += seconds
        self.batches += calls
        self.failed += failed
        self.served += batch_size - failed
        if failed < batch_size:
            self.latency.learn(shared, seconds / calls)
        mean = self.mean_batch
        self.mean_batch = mean + self._MEMORY * (shared - mean) if mean == mean else shared

    def update_utilization(self, now: float) -> None:
        """Bring `utilization` up to date: about once a second."""
        if self._updated is not None and now > self._updated[0] and self.lanes:
            then, busy_s = self._updated
            newest = min(1.0, (self.busy_s - busy_s) / ((now - then) * self.lanes))
            if math.isnan(self.utilization):
                self.utilization = newest
            else:
                self.utilization += self._UTILIZATION_MEMORY * (newest - self.utilization)
        self._updated = (now, self.busy_s)

    def batch_efficiency(self, most: int) -> float:
        """Observations per second of work, as a share of what batches of `most` would reach.

        (b / L(b)) / (most / L(most)) for the mean batch size b of late; NaN while unknown.
        """
        mean = self.latency.fixed + self.latency.per_observation * self.mean_batch
        full = self.latency.predict(most)
        if not mean > 0.0 or not full > 0.0:
            return math.nan
        return (self.mean_batch / mean) / (most / full)


def _compiled(info: ModelInfo) -> Specification:
    """The specification to check against; if it is wrong, an error in the log and no check."""
    try:
        return compile_specification(info.specification)
    except UsageError as error:
        _log.error("model %r: %s; observations are not checked against it", info.id, error)
        return ANYTHING
