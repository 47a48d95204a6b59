"""Robots that are alike on real sockets, in real time: `profiled_fleet.py ADDRESS FLEET`.

FLEET, JSON: count, seconds, and the robots as `inferential profile --json` tells them.
"""

from __future__ import annotations

import json
import sys

from fleet import Fleet

from benchmarks.processes import tell
from inferential_core.profiling.capacity import (
    MOVING,
    Robots,
    fleet_of_size,
    least_moving,
    workload_of,
)
from inferential_core.simulation.robots import HINTED

SHARE = 0.25  # of the time, before anything counts


def main(address: str, fleet_json: str) -> None:
    asked = json.loads(fleet_json)
    robots = Robots(asked["rate_hz"], asked["horizon"], asked["deadline_s"], asked["network_s"])
    made = fleet_of_size(workload_of([1.0], robots), asked["count"], 0, HINTED)
    fleet = Fleet(address, list(made))
    until_s = asked["seconds"]
    fleet.run(until_s, drain=False)
    late = sorted(fleet.late)[int(0.99 * len(fleet.late))]
    share = least_moving(made, SHARE * until_s, until_s)
    tell({"least_moving": share, "bar": MOVING, "late_p99_s": late})


if __name__ == "__main__":
    main(*sys.argv[1:])
