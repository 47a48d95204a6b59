"""Real-time priority for the threads of a process (Linux), where the machine grants it."""

from __future__ import annotations

import os
from pathlib import Path

HIGHEST = 99
LOWEST = 1

_HOW = "grant it (rtprio in /etc/security/limits.conf, or the capability SYS_NICE) or set it to 0"


def take_priority(priority: int, thread_id: int) -> str:
    """Have one thread run before all that is not real-time, and every other thread of the process.

    It gets `priority` (1 to 99) of SCHED_FIFO. The others get the lowest of SCHED_RR: what it
    waits for, such as the interpreter, must not be kept from it by another process. Threads that
    these start later are like them. Returns why it cannot be, or ''; see sched(7).
    """
    try:
        for task in Path("/proc/self/task").iterdir():
            _schedule(int(task.name), "SCHED_RR", LOWEST)
        _schedule(thread_id, "SCHED_FIFO", priority)
    except PermissionError:
        return f"the system does not grant it: {_HOW}"
    except (OSError, AttributeError) as error:  # no Linux
        return f"not on this system: {error}"
    return ""


def _schedule(thread_id: int, policy: str, priority: int) -> None:
    try:
        os.sched_setscheduler(thread_id, getattr(os, policy), os.sched_param(priority))
    except ProcessLookupError:  # it ended meanwhile
        pass
