"""What the machine is doing: figures mean little on one that is busy with something else."""

from __future__ import annotations

import os
import resource
import time

import psutil


def introduce(title: str) -> None:
    """Print what is measured, on how many cores, and whether they are free."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{title}\n{cores} cores, load average {load:.2f} before the start", flush=True)
    if load > 0.5 * cores:
        print("  the machine is busy: times come out too long, tails most of all", flush=True)


def cpu_s(pid: int) -> float:
    """Processor time a process has used so far, all its threads together."""
    return sum(psutil.Process(pid).cpu_times()[:2])


class ProcessorShare:
    """Of one core, that a process uses from now until this is called."""

    def __init__(self, pid: int) -> None:
        self._pid, self._used, self._begun = pid, cpu_s(pid), time.monotonic()

    def __call__(self) -> float:
        return (cpu_s(self._pid) - self._used) / (time.monotonic() - self._begun)


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
