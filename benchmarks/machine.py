"""What the machine is doing: figures mean little on one that is busy with something else."""

from __future__ import annotations

import os
import resource

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


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def allow_many_files() -> None:
    """Raise this process's limit of open files as far as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
