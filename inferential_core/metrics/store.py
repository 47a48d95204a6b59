"""Ring buffers of measurements, with label filters and percentiles over a time window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..clock import Clock, SystemClock
from .series import Labels, Series

Meter = Callable[[float, float, Labels], None]

NO_LABELS: Labels = {}


@dataclass(frozen=True)
class Stats:
    """Of one metric over a window, in the metric's own unit."""

    count: int
    avg: float
    min: float
    max: float
    p50: float
    p95: float
    p99: float


class MetricsStore:
    """Recorded by whoever has the server's lock, queried from any thread.

    Memory: ring_buffer_size points a metric. A label filter selects the points that carry all of
    the given labels.
    """

    def __init__(self, ring_buffer_size: int = 10_000, clock: Clock | None = None) -> None:
        self._size = ring_buffer_size
        self._clock = clock or SystemClock()
        self._series: dict[str, Series] = {}
        self._meters: dict[str, Meter] = {}
        self._lock = threading.Lock()
        self.listener: Callable[[str, float, Labels], None] | None = None  # hears every record

    def record(self, name: str, value: float, labels: Labels = NO_LABELS) -> None:
        self.meter(name)(self._clock.now(), value, labels)

    def meter(self, name: str) -> Meter:
        """What records a metric, as `(time, value, labels)`; time in monotonic seconds."""
        meter = self._meters.get(name)
        if meter is None:
            with self._lock:
                meter = self._meters[name] = self._make_meter(name)
        return meter

    def _make_meter(self, name: str) -> Meter:
        series = Series(self._size)
        self._series = {**self._series, name: series}  # a new one: others may be reading
        add = series.add

        def meter(time: float, value: float, labels: Labels) -> None:
            add((time, value, labels))
            if self.listener is not None:
                self.listener(name, value, labels)

        return meter

    def get_latest(self, name: str, labels: Labels | None = None) -> float | None:
        """The newest value, or None if there is none."""
        series = self._series.get(name)
        return None if series is None else series.latest(labels)

    def get_stats(
        self, name: str, window_seconds: float = 300.0, labels: Labels | None = None
    ) -> Stats | None:
        """Statistics of the last `window_seconds`, or None if nothing was recorded in them."""
        series = self._series.get(name)
        if series is None:
            return None
        values = series.values(self._clock.now() - window_seconds, labels)
        if not len(values):
            return None
        p50, p95, p99 = np.percentile(values, (50, 95, 99))
        return Stats(
            count=len(values),
            avg=float(values.mean()),
            min=float(values.min()),
            max=float(values.max()),
            p50=float(p50),
            p95=float(p95),
            p99=float(p99),
        )

    def snapshot(self, window_seconds: float = 300.0) -> dict[str, Stats]:
        """Statistics of every metric that has points in the window."""
        stats = ((name, self.get_stats(name, window_seconds)) for name in self._series)
        return {name: found for name, found in stats if found is not None}
