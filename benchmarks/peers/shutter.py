"""A camera, its robot's bridge and a server that tells how old an image is when the model has it.

`shutter.py camera HZ`, `shutter.py bridge CONTRACT SERVER`, `shutter.py server`, each a process.
The time of the shutter travels beside the image, as the position of a joint, in seconds of the
wall clock modulo 1000: float32 holds that to 60 us. Imports of a build what older revisions have.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.processes import listen, tell

HEIGHT, WIDTH = 720, 1280
MODULO_S = 1000.0


def scenes(count: int) -> list[np.ndarray]:
    """Pictures with areas, edges and noise, as a camera's are."""
    chance = np.random.default_rng(0)
    made = []
    for _ in range(count):
        coarse = chance.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3)).astype(float)
        smooth = coarse.repeat(16, axis=0).repeat(16, axis=1)
        noisy = smooth + chance.normal(0, 6, smooth.shape)
        made.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return made


def camera(hz: str) -> None:
    """Publishes the time of the shutter and then the image, until stdin ends."""
    import rclpy
    from sensor_msgs.msg import Image, JointState

    rclpy.init()
    node = rclpy.create_node("camera")
    joints = node.create_publisher(JointState, "shutter", 1)
    images = node.create_publisher(Image, "image", 1)
    messages = []
    for pixels in scenes(4):
        image = Image(encoding="rgb8", width=WIDTH, height=HEIGHT, step=3 * WIDTH)
        image.data = pixels.tobytes()
        messages.append(image)
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    turn = 0
    while not ending.wait(1.0 / float(hz)):
        image = messages[turn % len(messages)]
        turn += 1
        now = node.get_clock().now()
        image.header.stamp = now.to_msg()
        shutter = JointState(name=["t"], position=[now.nanoseconds / 1e9 % MODULO_S])
        shutter.header.stamp = image.header.stamp
        joints.publish(shutter)
        images.publish(image)


def bridge(contract: str, server: str) -> None:
    """The shipped node, watched: tells the ages in ms at which it was handed images."""
    from inferential_ros.bridge.inputs import Inputs
    from inferential_ros.bridge_node import main

    ages: list[float] = []
    store = Inputs.store

    def watched(self: Any, index: int, message: Any, *more: Any) -> None:
        if hasattr(message, "encoding"):
            stamp = message.header.stamp
            ages.append(1e3 * (time.time() - stamp.sec - stamp.nanosec / 1e9))
        store(self, index, message, *more)

    def answer() -> None:
        for _ in listen():
            told = list(ages)
            ages.clear()
            tell(told)

    Inputs.store = watched  # type: ignore[method-assign]
    threading.Thread(target=answer, daemon=True).start()
    given = {"contract_file": contract, "server": server, "sample_timeout": "5.0"}
    words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
    sys.exit(main(["--ros-args", *words]))


class Model:
    """Notes how old the image of each call is."""

    def __init__(self) -> None:
        self.ages_ms: list[float] = []

    def infer(self, observation: dict[str, Any]) -> np.ndarray:
        age_s = (time.time() % MODULO_S) - float(observation["shutter"][0])
        assert observation["image"].shape == (HEIGHT, WIDTH, 3)
        self.ages_ms.append(1e3 * (age_s % MODULO_S))
        return np.zeros((50, 7), np.float32)


def server() -> None:
    """Tells its address; then answers each line with the ages since the one before, and with what
    compressing and decoding one image takes in this build, in ms.
    """
    from inferential_core import LocalDispatcher, Server

    model = Model()
    dispatcher = LocalDispatcher({"policy": model})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as running:
        tell(running.address)
        for question in listen():
            if question == "parts":
                tell(parts())
            else:
                told, model.ages_ms = model.ages_ms, []
                tell(told)


def parts() -> dict[str, float]:
    from inferential_core.wire.images import decode, encode

    pixels = scenes(1)[0]
    file = encode("image", pixels, "jpeg", 90)
    return {
        "compressing ms": call_ms(lambda: encode("image", pixels, "jpeg", 90)),
        "decoding ms": call_ms(lambda: decode(file)),
    }


def call_ms(call: Callable[[], Any], times: int = 15) -> float:
    """The median time of a call."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        took.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(took)


if __name__ == "__main__":
    {"camera": camera, "bridge": bridge, "server": server}[sys.argv[1]](*sys.argv[2:])
