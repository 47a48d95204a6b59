"""What a bridge costs and how well it keeps time, over real DDS.

    python -m benchmarks bridge [--seconds N] [--jitter-seconds N] [--beside N]
    python -m benchmarks bridge --against REVISION [--rounds N] [--seconds N]

Robot, bridge and server are processes of their own, on the same cores.
overhead  from a sample handed to the bridge to its observation given to the socket
jitter    how much the time from one command to the next differs from 10 ms, while 1280x720
          images arrive at 30 Hz; commands come at 100 Hz. Once as installed, and once with
          a real-time priority (parameter thread_priority), both beside so many programs that
          compute all the time
processor of a bridge that sends 50 states a second and publishes 100 commands a second, 50 of
          them when a plan arrives, and of a bare rclpy node that reads and publishes as much
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .builds import HERE, Build, Cases, Figures
from .comparison import compare
from .machine import ProcessorShare, introduce
from .options import AGAINST, parse
from .processes import Program

STATE_MS, IMAGE_MS, JITTER_MS, PROCESSOR = 1.0, 3.0, 3.0, 0.15  # at most
BARE = 1.4  # x the processor time of a bare node, at most
SETTLE_S = 3.0
PRIORITY = 50  # of the control thread, where it is tried with one
TOPICS = {
    "state": ("joint_states", "sensor_msgs/msg/JointState, joints: [a, b]"),
    "image": ("image", "sensor_msgs/msg/Image"),
}
CONTRACT = """
robot: bench
model: {{id: policy, latency_budget_ms: 100}}
observation:
  trigger: {{on: {key}}}
  keys: {{{key}: {{topic: {topic}, type: {kind}}}}}
action:
  names: [a, b, c, d, e, f, g]
  rate_hz: 50
  control_rate_hz: {control_hz}
  publish_on_arrival: {on_arrival}
  outputs: [{{topic: commands, type: std_msgs/msg/Float64MultiArray, kind: position}}]
"""


@contextmanager
def running(
    key: str, hz: float, control_hz: float, on_arrival: bool, priority: int, build: Build
) -> Iterator[Program]:
    """The bridge of a robot that publishes a topic; it asks a server for chunks of 50 steps."""
    topic, kind = TOPICS[key]
    given = {"key": key, "topic": topic, "kind": kind, "control_hz": control_hz}
    text = CONTRACT.format(**given, on_arrival=str(on_arrival).lower())
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        contract = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "contract.yaml"
        contract.write_text(text)
        _, about = build.server(stack, log)
        HERE.program("peers/robot.py", "topics", stack=stack, log=log).ask({topic: hz})
        words = ("bridge", contract, about["address"], priority)
        peer = build.root / "benchmarks" / "peers" / "robot.py"  # it looks into its own bridge
        bridge = Program(sys.executable, peer, *words, packages=build.root, log=log)
        stack.enter_context(bridge)
        bridge.hear()
        time.sleep(SETTLE_S)
        bridge.ask({})
        yield bridge


def percentiles(figures: np.ndarray) -> Figures:
    """Of times in ms."""
    return dict(zip(("p50 ms", "p99 ms"), map(float, np.percentile(figures, (50, 99)))))


def overhead_ms(key: str, hz: float, seconds: float, build: Build = HERE) -> np.ndarray:
    """Of each observation, from its sample to the socket."""
    with running(key, hz, 50.0, True, 0, build) as bridge:
        time.sleep(seconds)
        return 1e3 * np.array(bridge.ask({})["overheads"])


def overhead(key: str, hz: float, at_most_ms: float, seconds: float) -> None:
    figures = overhead_ms(key, hz, seconds)
    p50, p99 = percentiles(figures).values()
    told = f"p50 {p50:.2f} ms (at most {at_most_ms}), p99 {p99:.2f} ms"
    print(f"{key:>10}: {told}, {len(figures) / seconds:.1f} observations a second", flush=True)


def commands(seconds: float, priority: int, build: Build = HERE) -> tuple[np.ndarray, int]:
    """Of the times between commands at 100 Hz, s; and how many observations were made."""
    with running("image", 30.0, 100.0, False, priority, build) as bridge:
        time.sleep(seconds)
        figures = bridge.ask({})
    return np.diff(figures["published"]), len(figures["overheads"])


def jitter_ms(between_s: np.ndarray) -> np.ndarray:
    """How much the time from each command to the next differs from a period."""
    return 1e3 * np.abs(between_s - 0.01)


def jitter(seconds: float, priority: int) -> None:
    between_s, asked = commands(seconds, priority)
    off_ms = jitter_ms(between_s)
    missed = round(between_s.sum() / 0.01) - len(off_ms)
    p50, p99 = percentiles(off_ms).values()
    told = f"p50 {p50:.2f} ms, p99 {p99:.2f} ms (at most {JITTER_MS}), worst {off_ms.max():.1f} ms"
    print(f"{'jitter':>10}: {told}, thread_priority {priority}")
    ticks = f"{missed} ticks missed of {len(off_ms) + 1}"
    print(f"{'':>10}  {ticks}, {asked / seconds:.1f} images a second", flush=True)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many programs that want all of the machine."""
    with ExitStack() as stack:
        for _ in range(count):
            program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(program.wait)
            stack.callback(program.kill)
        yield


def may_take_priority() -> bool:
    """Whether the system grants this user a real-time priority."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return True


def processor_percent(seconds: float, build: Build = HERE) -> Figures:
    """Of a core: a bridge and a bare node, at work at the same time on the same topic."""
    with running("state", 50.0, 50.0, True, 0, build) as bridge, ExitStack() as stack:
        bare = HERE.program("peers/robot.py", "bare", 50.0, stack=stack)
        bare.hear()
        time.sleep(SETTLE_S)
        shares = [ProcessorShare(program.pid) for program in (bridge, bare)]
        time.sleep(seconds)
        ours, bares = (100 * share() for share in shares)
    return {"% of a core": ours, "% of a core, bare node": bares, "x a bare node": ours / bares}


def processor(seconds: float) -> None:
    ours, bares, ratio = processor_percent(seconds).values()
    told = f"{ours:.1f} % of a core (at most {100 * PROCESSOR:.0f} %), {ratio:.2f}x a bare rclpy"
    print(f"{'processor':>10}: {told} node's {bares:.1f} % (at most {BARE}x)", flush=True)


def cases_of(seconds: float, build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build: each time with programs that are started anew."""
    return {
        "state": lambda: percentiles(overhead_ms("state", 50.0, seconds, build)),
        "image": lambda: percentiles(overhead_ms("image", 30.0, seconds, build)),
        "jitter": lambda: percentiles(jitter_ms(commands(seconds, 0, build)[0])),
        "processor": lambda: processor_percent(seconds, build),
    }


def main(arguments: list[str]) -> int:
    options = parse(
        "bridge",
        __doc__,
        arguments,
        seconds=20.0,
        jitter_seconds=60.0,
        beside=(0, "busy programs", {"metavar": "N"}),
        rounds=(7, "of --against"),
        against=AGAINST,
    )
    if find_spec("rclpy") is None:
        print("bridge: ROS 2 is not installed here: make bench ARGS=bridge", file=sys.stderr)
        return 2
    os.environ["ROS_DOMAIN_ID"] = str(random.randint(1, 100))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    introduce("a bridge between a robot's topics and a server")
    if options.against:
        return compare(options.against, partial(cases_of, options.seconds), options.rounds)
    overhead("state", 50.0, STATE_MS, options.seconds)
    overhead("image", 30.0, IMAGE_MS, options.seconds)
    with busy(options.beside):
        jitter(options.jitter_seconds, 0)
        if may_take_priority():
            jitter(options.jitter_seconds, PRIORITY)
        else:
            print(f"{'jitter':>10}: no real-time priority is granted here, so not tried with one")
    processor(options.seconds)
    return 0
