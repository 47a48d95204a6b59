"""Importing this registers the strategies that come with the package."""

from . import batch_optimized, deadline_aware, priority_tiered, round_robin

__all__ = ["batch_optimized", "deadline_aware", "priority_tiered", "round_robin"]
