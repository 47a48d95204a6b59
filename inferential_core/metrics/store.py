"""Rings of measurements, with label filters and percentiles over a time window."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from ..clock import Clock, SystemClock
from .statistics import Stats, stats_by, stats_of
from .table import GATHERED, NO_LABELS, Audience, Labels, LabelTable, Table

DEFAULT_WINDOW_S = 300.0


class MetricsStore:
    """Recorded by whoever has the server's lock, queried from any thread.

    Memory: ring_buffer_size points a metric, and the label sets used last (`LabelTable`). A label
    filter selects the points that carry all of the given labels.
    """

    def __init__(self, ring_buffer_size: int = 10_000, clock: Clock | None = None) -> None:
        self.labels = LabelTable()
        self._size = ring_buffer_size
        self._clock = clock or SystemClock()
        self.audience = Audience()
        self._table_of: dict[str, Table] = {}
        self._lock = threading.Lock()  # of making tables, and of `record`
        self._source: Callable[[], None] = lambda: None
        self._taking_in = threading.RLock()  # also while a listener, who is told, asks

    # --- in ---

    def table(self, *names: str) -> Table:
        """Where metrics are recorded that are measured together; made at the first call."""
        with self._lock:
            table = self._table_of.get(names[0])
            if table is None:
                table = Table(names, self._size, self.audience)
                # a new one: others may be reading
                self._table_of = {**self._table_of, **dict.fromkeys(names, table)}
            return table

    def record(self, name: str, value: float, labels: Labels = NO_LABELS) -> None:
        """A measurement of your own, taken now; from any thread."""
        table = self._table_of.get(name) or self.table(name)
        row = [value if each == name else np.nan for each in table.names]
        with self._lock:
            table.add(self._clock.now(), self.labels.of(labels), *row)

    def feed(self, source: Callable[[], None]) -> None:
        """Whom to ask from now on to record what was gathered and is not in the tables yet."""
        self.take_in()
        self._source = source

    def take_in(self) -> None:
        """Have all that was gathered until now recorded. From any thread."""
        with self._taking_in:
            self._source()

    def listen(
        self, listener: Callable[[str, float, Labels], None] | None, later: bool = False
    ) -> None:
        """Who hears every measurement from now on, on the thread that takes it.

        later: it costs the server less if those of requests and batches are told many at a time:
        when enough have come together, when somebody asks (then on that thread), and once a
        second.
        """
        self.take_in()
        self.audience.listen(listener, GATHERED if later or listener is None else 1)

    def resize(self, ring_buffer_size: int) -> None:
        """Keep so many points of each metric from now on; while nobody records."""
        self._size = ring_buffer_size
        with self._taking_in:
            for table in set(self._table_of.values()):
                table.resize(ring_buffer_size)

    # --- out ---

    def names(self) -> list[str]:
        """Metrics that were made so far, also those without a point yet."""
        return list(self._table_of)

    def get_latest(self, name: str, labels: Labels | None = None) -> float | None:
        """The newest value, or None if there is none."""
        _, values = self._points(name, -np.inf, labels)
        return float(values[-1]) if len(values) else None

    def get_stats(
        self, name: str, window_seconds: float = DEFAULT_WINDOW_S, labels: Labels | None = None
    ) -> Stats | None:
        """Statistics of the last `window_seconds`, or None if nothing was recorded in them."""
        _, values = self._points(name, self._clock.now() - window_seconds, labels)
        return stats_of(values)

    def get_stats_by(
        self,
        name: str,
        label: str,
        window_seconds: float = DEFAULT_WINDOW_S,
        labels: Labels | None = None,
    ) -> dict[str, Stats]:
        """Statistics for each value of a label (each client, each model), all in one go."""
        numbers, values = self._points(name, self._clock.now() - window_seconds, labels)
        value_of = self.labels.values_of(label)
        known, inverse = np.unique(numbers, return_inverse=True)
        index: dict[str, int] = {}
        groups = np.array(
            [
                index.setdefault(value_of[number], len(index)) if number in value_of else -1
                for number in known.tolist()
            ],
            np.int64,
        )[inverse]
        found = stats_by(values, groups)
        return {value: found[group] for value, group in index.items()}

    def snapshot(self, window_seconds: float = DEFAULT_WINDOW_S) -> dict[str, Stats]:
        """Statistics of every metric that has points in the window."""
        stats = ((name, self.get_stats(name, window_seconds)) for name in self._table_of)
        return {name: found for name, found in stats if found is not None}

    def _points(
        self, name: str, since: float, wanted: Labels | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of labels and values, oldest first, of what has `wanted` from `since` on."""
        table = self._table_of.get(name)
        if table is None:
            return np.empty(0, np.int64), np.empty(0)
        if self.audience.patience > 1:  # else the thread that gathers takes it in at once
            self.take_in()
        times, numbers, values = table.column(name)
        chosen = times >= since
        if wanted:
            chosen &= np.isin(numbers, self.labels.matching(wanted))
        return numbers[chosen], values[chosen]
