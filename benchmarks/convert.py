"""What converting one message costs, without rclpy: real messages in, what goes on the wire out.

    python -m benchmarks convert [--rounds N] [--against REVISION]

The floor of an image is copying its bytes once. Each figure is the median of the rounds, a round
as many calls as take 20 ms.
"""

from __future__ import annotations

import itertools
import statistics
import timeit
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from .builds import Build, Cases
from .comparison import compare, middles
from .machine import introduce
from .options import AGAINST, parse

HEIGHT, WIDTH = 720, 1280
ROUND_S = 0.02
TICK_BAR = 1.5  # x a tick of linear columns
MERGE_BAR = 1.5  # the joints of two publishers against those of one
COLUMNS = [f"column_{index}" for index in range(14)]
BOTH = {"fields": ["position", "velocity"]}
BARS_US = {"Image rgb8": 100.0, "JointState, 7 joints": 50.0}
IMAGES: dict[str, tuple[str, int, int, dict[str, Any]]] = {
    # encoding, bytes of a pixel, padding of a row, options of the contract
    "Image rgb8": ("rgb8", 3, 0, {}),
    "Image rgb8, padded rows": ("rgb8", 3, 8, {}),
    "Image bgr8": ("bgr8", 3, 0, {}),
    "Image bgra8": ("bgra8", 4, 0, {}),
    "Image 16UC1": ("16UC1", 2, 0, {}),
    "Image bayer_rggb8": ("bayer_rggb8", 1, 0, {}),
    "Image bayer, half": ("bayer_rggb8", 1, 0, {"bayer": "half"}),
    "Image rgb8, crop": ("rgb8", 3, 0, {"crop": {"x": 280, "width": 720, "height": 720}}),
    "Image rgb8, to 224x224": ("rgb8", 3, 0, {"resize": {"width": 224, "height": 224}}),
    "Image rgb8, as JPEG": ("rgb8", 3, 0, {"send": "jpeg"}),
}


def cases() -> dict[str, tuple[Any, str, dict[str, Any]]]:
    """Name -> message, its type, options of its contract."""
    from geometry_msgs.msg import Vector3
    from nav_msgs.msg import Odometry
    from sensor_msgs.msg import Imu, LaserScan, PointCloud2, PointField

    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate(("x", "y", "z", "intensity"))
    ]
    points = np.ones(400_000, np.float32).tobytes()
    size = {"height": 1, "width": 100_000, "point_step": 16, "row_step": 1_600_000}
    made = {
        "JointState, 7 joints": (joints(7), BOTH),
        "JointState, 26 joints": (joints(26), BOTH),
        "Imu, 10 numbers": (Imu(angular_velocity=Vector3(x=1.0)), {}),
        "Odometry, 13 numbers": (Odometry(), {}),
        "LaserScan, 1080": (LaserScan(ranges=[1.0] * 1080), {}),
        "PointCloud2, 100k xyz": (PointCloud2(**size, fields=fields, data=points), {}),
        **{name: (image(*how), options) for name, (*how, options) in IMAGES.items()},
    }
    return {name: (each, type_of(each), options) for name, (each, options) in made.items()}


def type_of(message: Any) -> str:
    """As contracts name it."""
    return f"{type(message).__module__.split('.')[0]}/msg/{type(message).__name__}"


def joints(count: int, first: int = 0) -> Any:
    from sensor_msgs.msg import JointState

    names = [f"joint_{index}" for index in range(first, first + count)]
    return JointState(name=names, position=[0.5] * count, velocity=[0.1] * count)


def image(encoding: str, pixel_bytes: int, padding: int) -> Any:
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


def calls() -> dict[str, Callable[[], object]]:
    """A conversion of each case."""
    return {name: partial(decoder(*case), case[0]) for name, case in cases().items()}


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
    from inferential_ros.convert.collecting import Collector

    whole, hand = joints(7), joints(2, first=5)
    decode, merge = (decoder(whole, type_of(whole), BOTH) for _ in range(2))
    collector = Collector(merge)
    collector.add(joints(5), 0)
    return {
        "one publisher": lambda: decode(whole),
        "two publishers": lambda: merge(collector.add(hand, 0)),
    }


def compared(calls: dict[str, Callable[[], object]], most: float, rounds: int) -> bool:
    """Print two calls beside each other; whether the second takes over `most` of the first."""
    measures = {name: lambda c=call: {"us": call_us(c, 1)} for name, call in calls.items()}
    taken = {name: figures["us"] for name, figures in middles(measures, rounds).items()}
    for name, taken_us in taken.items():
        print(f"{name:>26}{taken_us:10.1f} us")
    first_us, second_us = taken.values()
    late = second_us > most * first_us
    print(f"{'':>26}{second_us / first_us:10.2f} x{f'   over {most} x' if late else ''}")
    return late


def call_us(call: Callable[[], object], rounds: int) -> float:
    """Median time of one call."""
    calls = max(1, int(ROUND_S / max(1e-7, timeit.timeit(call, number=1))))
    times = timeit.repeat(call, number=calls, repeat=rounds)
    return 1e6 * statistics.median(times) / calls


def cases_of(build: Build, stack: ExitStack) -> Cases:
    """What `--against` measures of a build."""
    return build.cases("convert", stack)


def main(arguments: list[str]) -> int:
    """Print one table; 1 if a bar is missed."""
    options = parse("convert", __doc__, arguments, rounds=15, against=AGAINST)
    rounds = options.rounds
    try:
        conversions = calls()
    except ModuleNotFoundError as error:
        print(f"convert: {error.name} is not installed: it needs the ROS 2 message packages")
        return 1
    introduce(f"one message to what is sent, images {WIDTH}x{HEIGHT}, medians of {rounds} rounds")
    if options.against:
        return compare(options.against, cases_of, rounds)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    print(f"{'copying the bytes of rgb8':>26}{call_us(pixels.copy, rounds):10.1f} us")
    missed = 0
    for name, call in conversions.items():
        taken_us, bar_us = call_us(call, rounds), BARS_US.get(name, float("inf"))
        late = taken_us > bar_us
        missed += late
        print(f"{name:>26}{taken_us:10.1f} us{f'   over {bar_us:.0f} us' if late else ''}")
    ticks = {"a tick, 14 linear": ticking([]), "a tick, one quaternion": ticking(COLUMNS[3:7])}
    missed += compared(ticks, TICK_BAR, rounds)
    missed += compared(two_publishers(), MERGE_BAR, rounds)
    return int(missed > 0)
