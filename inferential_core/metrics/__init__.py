"""What the server measures: a bounded store, and callbacks on a thread of their own."""

from .store import MetricsStore, Stats

__all__ = ["MetricsStore", "Stats"]
