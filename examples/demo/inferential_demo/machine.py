"""How busy this machine is, for a run that misses what it should reach."""

from __future__ import annotations

import os


def how_busy() -> str:
    """A sentence with the load of the last minute, which Linux counts, and the cores."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return (
        f"The machine was {'busy' if load > cores else 'not too busy'}: in the last minute"
        f" {load:.1f} threads wanted to run at a time on its {cores} cores."
    )
