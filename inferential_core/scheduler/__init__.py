"""Which observations a model sees next, and in what batch. Pure: no thread, no socket, no clock
of its own.

`base` holds the published interface and the registries, `pending` what waits, `batching` the
interface the server drives, and each strategy has a file. A strategy only chooses; limits, TTL
and supersede are the business of `pending` and so the same for all of them.
"""

from . import batch_optimized, deadline_aware, priority_tiered, round_robin  # noqa: F401
from .base import Scheduler, create_scheduler, register_policy, register_scheduler

__all__ = ["Scheduler", "create_scheduler", "register_policy", "register_scheduler"]
