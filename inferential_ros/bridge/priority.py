"""Sets a real-time priority for the threads of a process, if Linux grants it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

HIGHEST = 99
LOWEST = 1

_TASKS = Path("/proc/self/task")
_HOW = "grant it (rtprio in /etc/security/limits.conf, or the capability SYS_NICE) or set it to 0"


def take_priority(priority: int, thread_id: int) -> str:
    """Have one thread run before all that is not real-time, and every other thread of the process.

    It gets `priority` (1 to 99) of SCHED_FIFO. The others get the lowest of SCHED_RR, for as long
    as they live: what it waits for, such as the interpreter, must not be kept from it by another
    process. Threads that these start later are like them, and who has SCHED_FIFO keeps it. Returns
    why it cannot be, or ''; then nothing has changed. See sched(7).
    """
    try:
        os.sched_setscheduler(thread_id, os.SCHED_FIFO, os.sched_param(priority))
        seen: set[int] = set()
        while fresh := {int(task.name) for task in _TASKS.iterdir()} - seen:
            for task in fresh:
                with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                    if os.sched_getscheduler(task) != os.SCHED_FIFO:
                        os.sched_setscheduler(task, os.SCHED_RR, os.sched_param(LOWEST))
            seen |= fresh
    except PermissionError:
        return f"the system does not grant it: {_HOW}"
    except (OSError, AttributeError) as error:  # no Linux
        return f"not on this system: {error}"
    return ""
