"""How old a camera's image is when the model has it as an array, and where the time goes.

    python -m benchmarks shutter [--rounds N] [--seconds S] [--hz HZ] [--against REVISION]
                                 [--default-dds]

One robot: a topic of 1280x720 rgb8 images, the shipped bridge with `send: jpeg`, and a server,
each a process. DDS has room for whole images (config/fastdds_images.xml), unless it is left as it
is: then most of the time goes to parts of images that are sent again. `DDS` is from the stamp to
the bridge; what is left after compressing and decoding is what waits between threads, the network
and the server. The bar is on all of it.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .builds import HERE, Build, Figures, NoRevision, build_of
from .comparison import interleave, medians
from .machine import introduce
from .options import AGAINST, parse, verdicts

PROFILE = HERE.root / "config" / "fastdds_images.xml"
AT_MOST = 0.75  # x the older build's
SETTLE_S = 3.0
CONTRACT = """
robot: bench
model: {id: policy, latency_budget_ms: 500}
observation:
  trigger: {on: image}
  keys:
    image: {topic: image, type: sensor_msgs/msg/Image, send: jpeg}
    shutter: {topic: shutter, type: sensor_msgs/msg/JointState, joints: [t]}
action:
  names: [a, b, c, d, e, f, g]
  rate_hz: 50
  outputs: [{topic: commands, type: std_msgs/msg/Float64MultiArray, kind: position}]
"""


def main(arguments: list[str]) -> int:
    """Print a row for each build."""
    options = parse(
        "shutter",
        __doc__,
        arguments,
        rounds=(5, "interleaved"),
        seconds=(5.0, "of a measurement"),
        hz=(10.0, "images a second"),
        default_dds=(False, "without more shared memory for images"),
        against=AGAINST,
    )
    if find_spec("rclpy") is None:
        print("shutter: ROS 2 is not installed here: make bench ARGS=shutter", file=sys.stderr)
        return 2
    builds = {"this": HERE}
    try:
        if options.against:
            builds["older"] = build_of(options.against)
    except NoRevision as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 100))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    if not options.default_dds:
        for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
            os.environ[variable] = str(PROFILE)
    introduce(f"stamp to array in the model, 720p, medians of {options.rounds} rounds")
    measures = {name: partial(measure, build, options) for name, build in builds.items()}
    rounds = interleave(measures, options.rounds)
    for name, each in rounds.items():
        row = "".join(f"  {figure} {value:.1f}" for figure, value in medians(each).items())
        print(f"{name:8}{row}", flush=True)
    if "older" in rounds:
        pairs = zip(rounds["this"], rounds["older"])
        ratio = statistics.median(new["p50 ms"] / old["p50 ms"] for new, old in pairs)
        print(verdicts({f"{ratio:.2f}x the older, at most {AT_MOST}x": ratio <= AT_MOST}))
    return 0


def measure(build: Build, options: Any) -> Figures:
    """One measurement, with programs that are started anew."""
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        contract = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "contract.yaml"
        contract.write_text(CONTRACT)
        script = "peers/shutter.py"
        server = build.program(script, "server", stack=stack, log=log)
        address = server.hear()
        bridge = build.program(script, "bridge", contract, address, stack=stack, log=log)
        HERE.program(script, "camera", options.hz, stack=stack, log=log)
        deadline = time.monotonic() + 60.0
        while not server.ask("ages"):
            if time.monotonic() > deadline:
                raise RuntimeError("no image arrived within a minute")
            time.sleep(0.2)
        time.sleep(SETTLE_S)
        server.ask("ages")
        bridge.ask("ages")
        time.sleep(options.seconds)
        ages, at_bridge = server.ask("ages"), bridge.ask("ages")
        parts: Figures = server.ask("parts")
    p50, p95 = statistics.median(ages), statistics.quantiles(ages, n=20)[-1]
    dds = statistics.median(at_bridge)
    left = p50 - dds - sum(parts.values())
    return {"p50 ms": p50, "p95 ms": p95, "DDS ms": dds, **parts, "the rest ms": left}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
