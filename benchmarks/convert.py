"""What converting one message costs, without rclpy: real messages in, what goes on the wire out.

    python -m benchmarks convert [--rounds N] [--against REVISION]

The floor of an image is copying its bytes once. Each figure is the median of the rounds, a round
as many calls as take 20 ms.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from .builds import Build
from .comparison import Cases, add_against, compare, interleave, medians
from .machine import introduce

HEIGHT, WIDTH = 720, 1280
ROUND_S = 0.02
TICK_BAR = 1.5  # x a tick of linear columns
MERGE_BAR = 1.5  # the joints of two publishers against those of one
COLUMNS = [f"column_{index}" for index in range(14)]
BARS_US = {"Image rgb8": 100.0, "JointState, 7 joints": 50.0}


def cases() -> dict[str, tuple[Any, str, dict[str, Any]]]:
    """Name -> message, type, options of its contract."""
    from geometry_msgs.msg import Vector3
    from nav_msgs.msg import Odometry
    from sensor_msgs.msg import Imu, JointState, LaserScan, PointCloud2, PointField

    def joints(count: int) -> JointState:
        names = [f"joint_{index}" for index in range(count)]
        return JointState(name=names, position=[0.5] * count, velocity=[0.1] * count)

    cloud = PointCloud2(
        height=1,
        width=100_000,
        point_step=16,
        row_step=1_600_000,
        fields=[
            PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
            for index, name in enumerate(("x", "y", "z", "intensity"))
        ],
        data=np.ones(400_000, np.float32).tobytes(),
    )
    both = {"fields": ["position", "velocity"]}
    crop = {"crop": {"x": 280, "width": 720, "height": 720}}
    small = {"resize": {"width": 224, "height": 224}}
    return {
        "JointState, 7 joints": (joints(7), "sensor_msgs/msg/JointState", both),
        "JointState, 26 joints": (joints(26), "sensor_msgs/msg/JointState", both),
        "Imu, 10 numbers": (Imu(angular_velocity=Vector3(x=1.0)), "sensor_msgs/msg/Imu", {}),
        "Odometry, 13 numbers": (Odometry(), "nav_msgs/msg/Odometry", {}),
        "LaserScan, 1080": (LaserScan(ranges=[1.0] * 1080), "sensor_msgs/msg/LaserScan", {}),
        "PointCloud2, 100k xyz": (cloud, "sensor_msgs/msg/PointCloud2", {}),
        "Image rgb8": (image("rgb8", 3), "sensor_msgs/msg/Image", {}),
        "Image rgb8, padded rows": (image("rgb8", 3, 8), "sensor_msgs/msg/Image", {}),
        "Image bgr8": (image("bgr8", 3), "sensor_msgs/msg/Image", {}),
        "Image bgra8": (image("bgra8", 4), "sensor_msgs/msg/Image", {}),
        "Image 16UC1": (image("16UC1", 2), "sensor_msgs/msg/Image", {}),
        "Image bayer_rggb8": (image("bayer_rggb8", 1), "sensor_msgs/msg/Image", {}),
        "Image bayer, half": (image("bayer_rggb8", 1), "sensor_msgs/msg/Image", {"bayer": "half"}),
        "Image rgb8, crop": (image("rgb8", 3), "sensor_msgs/msg/Image", crop),
        "Image rgb8, to 224x224": (image("rgb8", 3), "sensor_msgs/msg/Image", small),
        "Image rgb8, as JPEG": (image("rgb8", 3), "sensor_msgs/msg/Image", {"send": "jpeg"}),
    }


def image(encoding: str, pixel_bytes: int, padding: int = 0) -> Any:
    from sensor_msgs.msg import Image

    step = WIDTH * pixel_bytes + padding
    pattern = np.arange(HEIGHT * step, dtype=np.uint32).astype(np.uint8)
    return Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=step, data=pattern.tobytes())


def decoder(message: Any, type_name: str, options: dict[str, Any]) -> Callable[[Any], Any]:
    from inferential_ros.convert import input_type
    from inferential_ros.options.types import message_class
    from inferential_ros.options.yaml_values import Section

    if type_name.endswith("JointState"):
        options = {"joints": list(message.name), **options}
    section = Section(options, "key")
    return input_type(type_name).make(section, message_class(type_name, "type"))


def ticking(quaternion: list[str]) -> Callable[[], object]:
    """Ticks between the steps of a plan of 14 columns, some of which may be a quaternion."""
    from inferential_ros.bridge.options import make_executor
    from inferential_ros.contract.loading import parse_contract
    from inferential_ros.execution.plan import Plan

    output = {"topic": "c", "type": "std_msgs/msg/Float64MultiArray", "kind": "position"}
    action = {"names": COLUMNS, "rate_hz": 50, "control_rate_hz": 400, "outputs": [output]}
    state = {"topic": "t", "type": "sensor_msgs/msg/JointState", "joints": COLUMNS}
    made = parse_contract(
        {
            "model": {"id": "policy"},
            "observation": {"keys": {"state": state}},
            "action": action | ({"quaternion": quaternion} if quaternion else {}),
        }
    )
    executor = make_executor(made)
    rows = np.cumsum(np.random.default_rng(1).normal(0.5, 0.02, (50, 14)), axis=0)
    executor.accept(Plan(rows, 0, 20_000_000), 0)
    ticks = itertools.cycle(range(0, 980_000_000, 2_500_000))
    return lambda: executor.tick(next(ticks))


def two_publishers() -> dict[str, Callable[[], object]]:
    """Seven joints of one message, and of the newest messages of two publishers."""
    from sensor_msgs.msg import JointState

    from inferential_ros.convert.collecting import Collector

    whole, _, options = cases()["JointState, 7 joints"]
    decode, merge = (decoder(whole, "sensor_msgs/msg/JointState", options) for _ in range(2))
    arm, hand = (
        JointState(name=whole.name[part], position=whole.position[part], velocity=[0.1] * count)
        for part, count in ((slice(5), 5), (slice(5, 7), 2))
    )
    collector = Collector(merge)
    collector.add(arm, 0)
    return {
        "one publisher": lambda: decode(whole),
        "two publishers": lambda: merge(collector.add(hand, 0)),
    }


def compared(calls: dict[str, Callable[[], object]], most: float, rounds: int) -> bool:
    """Print two calls beside each other; whether the second takes over `most` of the first."""
    measures = {name: lambda c=call: {"us": call_us(c, 1)} for name, call in calls.items()}
    taken = {name: medians(each)["us"] for name, each in interleave(measures, rounds).items()}
    first_us, second_us = taken.values()
    for name, taken_us in taken.items():
        print(f"{name:>26}{taken_us:10.1f} us")
    late = second_us > most * first_us
    print(f"{'':>26}{second_us / first_us:10.2f} x{f'   over {most} x' if late else ''}")
    return late


def call_us(call: Callable[[], object], rounds: int) -> float:
    """Median time of one call."""
    begun = time.perf_counter()
    call()
    calls = max(1, int(ROUND_S / max(1e-7, time.perf_counter() - begun)))
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - begun) / calls)
    return 1e6 * statistics.median(times)


def cases_of(build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    program = build.program("tasks/convert.py", stack=stack)
    return {name: partial(program.ask, name) for name in program.hear()}


def main(arguments: list[str]) -> int:
    """Print one table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="convert", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    add_against(parser)
    options = parser.parse_args(arguments)
    rounds = options.rounds
    try:
        found = cases()
    except ModuleNotFoundError as error:
        print(f"convert: {error.name} is not installed: it needs the ROS 2 message packages")
        return 1
    introduce(f"one message to what is sent, images {WIDTH}x{HEIGHT}, medians of {rounds} rounds")
    if options.against:
        return compare(options.against, cases_of, rounds)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    print(f"{'copying the bytes of rgb8':>26}{call_us(pixels.copy, rounds):10.1f} us")
    missed = 0
    for name, (message, type_name, options) in found.items():
        decode = decoder(message, type_name, options)
        taken_us = call_us(lambda d=decode, m=message: d(m), rounds)
        bar_us = BARS_US.get(name)
        late = bar_us is not None and taken_us > bar_us
        missed += late
        print(f"{name:>26}{taken_us:10.1f} us{f'   over {bar_us:.0f} us' if late else ''}")
    ticks = {"a tick, 14 linear": ticking([]), "a tick, one quaternion": ticking(COLUMNS[3:7])}
    missed += compared(ticks, TICK_BAR, rounds)
    missed += compared(two_publishers(), MERGE_BAR, rounds)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
