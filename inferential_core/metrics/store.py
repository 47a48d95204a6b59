"""Ring buffers of measurements, with label filters and percentiles over a time window."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..clock import Clock, SystemClock

Labels = Mapping[str, str]
_Point = tuple[float, float, Labels]

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
    """`record` from the server's thread, query from any. Memory: ring_buffer_size points a metric.

    A label filter selects the points that carry all of the given labels.
    """

    def __init__(self, ring_buffer_size: int = 10_000, clock: Clock | None = None) -> None:
        self._size = ring_buffer_size
        self._clock = clock or SystemClock()
        self._series: dict[str, deque[_Point]] = {}
        self._lock = threading.Lock()
        self.listener: Callable[[str, float, Labels], None] | None = None  # hears every record

    def record(self, name: str, value: float, labels: Labels = NO_LABELS) -> None:
        series = self._series.get(name)
        if series is None:
            with self._lock:
                series = self._series.setdefault(name, deque(maxlen=self._size))
        series.append((self._clock.now(), value, labels))
        if self.listener is not None:
            self.listener(name, value, labels)

    def get_latest(self, name: str, labels: Labels | None = None) -> float | None:
        """The newest value, or None if there is none."""
        for _, value, own in reversed(self._points(name)):
            if _matches(own, labels):
                return value
        return None

    def get_stats(
        self, name: str, window_seconds: float = 300.0, labels: Labels | None = None
    ) -> Stats | None:
        """Statistics of the last `window_seconds`, or None if nothing was recorded in them."""
        since = self._clock.now() - window_seconds
        values = [
            value
            for time, value, own in self._points(name)
            if time >= since and _matches(own, labels)
        ]
        if not values:
            return None
        array = np.asarray(values, dtype=np.float64)
        p50, p95, p99 = np.percentile(array, (50, 95, 99))
        return Stats(
            count=len(values),
            avg=float(array.mean()),
            min=float(array.min()),
            max=float(array.max()),
            p50=float(p50),
            p95=float(p95),
            p99=float(p99),
        )

    def snapshot(self, window_seconds: float = 300.0) -> dict[str, Stats]:
        """Statistics of every metric that has points in the window."""
        with self._lock:
            names = list(self._series)
        stats = ((name, self.get_stats(name, window_seconds)) for name in names)
        return {name: found for name, found in stats if found is not None}

    def _points(self, name: str) -> list[_Point]:
        series = self._series.get(name)
        if series is None:
            return []
        while True:
            try:
                return list(series)
            except RuntimeError:  # the server appended meanwhile: take it again
                continue


def _matches(own: Labels, wanted: Labels | None) -> bool:
    return not wanted or all(own.get(key) == value for key, value in wanted.items())
