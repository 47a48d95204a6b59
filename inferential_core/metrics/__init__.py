"""What the server measures: a bounded store, and callbacks on a thread of their own."""

from .statistics import Stats
from .store import MetricsStore

__all__ = ["MetricsStore", "Stats"]
