"""Eight robots with two cameras each, a server and its model, in one process.

    cameras.py OPTIONS

OPTIONS, JSON: `ray` (true: the model runs in a replica on a cluster of its own), `lanes`. Tells
that it is there once the model is; then answers each size of images ("" for none) and how long to
measure with figures. Imports of a build what older revisions have as well.
"""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.processes import listen, tell
from inferential_core import Connection, EncodedImage, LocalDispatcher, Server

ROBOTS = 8
SIZES = {"640x480": (480, 640), "1280x720": (720, 1280)}
DIFFERENT = 4  # images of each robot's cameras, which follow each other
PATIENCE_MS = 20_000
ANSWER = np.zeros((50, 7), np.float32)


class Policy:
    """Takes 40 + 4b ms for b observations, asleep as a GPU lets the processor be."""

    def infer_batch(self, observations: list[Any]) -> list[Any]:
        begun = time.perf_counter()
        for observation in observations:
            for value in observation.values():
                assert isinstance(value, np.ndarray)
        time.sleep(0.040 + 0.004 * len(observations))
        took = np.array([time.perf_counter() - begun])
        return [{"actions": ANSWER, "took_s": took} for _ in observations]


def images(size: str) -> list[EncodedImage]:
    """JPEGs of a scene with areas, edges and noise, of the quality that image_transport sends."""
    if not size:
        return []
    chance, (height, width) = np.random.default_rng(0), SIZES[size]
    made = []
    for _ in range(2 * ROBOTS * DIFFERENT):
        coarse = chance.integers(0, 255, (height // 16, width // 16, 3), np.uint8)
        smooth = np.asarray(
            Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        )
        noisy = smooth + chance.normal(0, 6, smooth.shape)
        file = io.BytesIO()
        Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(file, "jpeg", quality=95)
        made.append(EncodedImage(file.getvalue(), "jpeg"))
    return made


class Robot:
    """Asks again as soon as it has its answer."""

    def __init__(self, address: str, number: int, frames: list[EncodedImage]) -> None:
        self._connection = Connection(address, f"robot-{number}")
        self._model = self._connection.model("policy", latency_budget_ms=2000.0)
        self._frames = frames
        self.replies: list[tuple[float, float, float, float, int]] = []

    def run(self, begins: float, ends: float) -> None:
        """Ask until then; what is sent before `begins` warms up."""
        turn = 0
        while (sent := time.perf_counter()) < ends:
            values: dict[str, Any] = {"state": np.zeros(14, np.float32)}
            for camera, frame in enumerate(self._frames[2 * turn : 2 * turn + 2]):
                values[f"camera_{camera}"] = frame
            turn = (turn + 1) % DIFFERENT
            self._model.observe(**values)
            reply = self._model.get_reply(PATIENCE_MS)
            if reply is None or reply.result is None:
                raise RuntimeError(f"no answer: {reply}")
            got = time.perf_counter()
            if sent >= begins:
                took = float(reply.result["took_s"][0])
                lane_s = reply.inference_latency_ms / 1e3
                self.replies.append((sent, got, took, lane_s, reply.batch_size))

    def close(self) -> None:
        self._connection.close()


def measure(server: Server, size: str, warm_s: float, seconds: float) -> dict[str, float]:
    """Figures of all robots."""
    made = images(size)
    each = 2 * DIFFERENT if made else 0
    robots = [Robot(server.address, at, made[each * at : each * (at + 1)]) for at in range(ROBOTS)]
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    begins = time.perf_counter() + warm_s
    ends = begins + seconds
    threads = [threading.Thread(target=robot.run, args=(begins, ends)) for robot in robots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    replies = [reply for robot in robots for reply in robot.replies]
    for robot in robots:
        robot.close()
    took_ms = [1e3 * (got - sent) for sent, got, *_ in replies]
    lane_s = sum(lane / batch for *_, lane, batch in replies)
    model_s = sum(took / batch for _, _, took, _, batch in replies)
    p50, p95 = np.percentile(took_ms, (50, 95))
    return {
        "obs/s": len(replies) / (max(got for _, got, *_ in replies) - begins),
        "p50 ms": float(p50),
        "p95 ms": float(p95),
        "not the model %": 100 * (1 - model_s / lane_s),
        "peak MB": peak_mb(),
        "batch": float(np.mean([batch for *_, batch in replies])),
    }


def peak_mb() -> float:
    """The most memory that this process held since the peak was set back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1e3
    return float("nan")


def serve(ray: bool = False, lanes: int = 1) -> None:
    if ray:
        from inferential_core.dispatch.ray_serve import RayServeDispatcher

        dispatcher: Any = RayServeDispatcher(
            deploy={"policy": "cameras:Policy"}, address="local", lanes_per_replica=lanes
        )
    else:
        dispatcher = LocalDispatcher({"policy": Policy()}, lanes=lanes)
    with ExitStack() as stack:
        server = stack.enter_context(Server("tcp://127.0.0.1:0", dispatcher=dispatcher))
        while any(model.unavailable for model in dispatcher.models().values()):
            time.sleep(0.1)
        tell("ready")
        for question in listen():
            tell(measure(server, *question))


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
