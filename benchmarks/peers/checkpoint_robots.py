"""Robots that ask for their next chunk as soon as they have one; see benchmarks/checkpoints.py.

    checkpoint_robots.py ours COUNT ADDRESS
    checkpoint_robots.py theirs COUNT ADDRESS... FOLDER

Each robot is a thread with a connection of its own, and sends the same sizes either way: a state
of seven joints, two images of 240 x 320, and a task.
"""

from __future__ import annotations

import pickle
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.measuring import answer, say

STATE, TASK = "observation.state", "pick up the cube"
CAMERAS = ("front", "wrist")
DOF, PATIENCE_S = 7, 300.0
TOGETHER_S = 0.05  # the answers of one batch arrive within this time

Ask = Callable[[], int]  # how many robots were answered together


def observation(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    images = {name: random.integers(0, 256, (240, 320, 3), np.uint8) for name in CAMERAS}
    return random.standard_normal(DOF).astype(np.float32), images


def ours(address: str, robot: int) -> Ask:
    """A robot with our SDK."""
    from inferential_core import Connection

    state, images = observation(robot)
    values: dict[str, Any] = {f"observation.images.{name}": it for name, it in images.items()}
    values |= {STATE: state, "task": TASK}
    connection = Connection(address, client_id=f"robot-{robot}")
    assert connection.wait(1000 * PATIENCE_S), connection.problem
    model = connection.model("arm", latency_budget_ms=1000 * PATIENCE_S)

    def ask() -> int:
        model.observe(**values)
        reply = model.get_reply(1000 * PATIENCE_S)
        assert reply is not None and reply.result is not None, reply
        assert reply.result["actions"].shape[1] == DOF
        return reply.batch_size

    return ask


def theirs(address: str, robot: int, folder: str) -> Ask:
    """A robot as LeRobot's RobotClient asks: pickles by gRPC; each observation must go."""
    import grpc
    from lerobot.async_inference.helpers import RemotePolicyConfig, TimedObservation
    from lerobot.transport import services_pb2, services_pb2_grpc
    from lerobot.transport.utils import send_bytes_in_chunks

    channel = grpc.insecure_channel(address)
    grpc.channel_ready_future(channel).result(PATIENCE_S)
    stub = services_pb2_grpc.AsyncInferenceStub(channel)
    state, images = observation(robot)
    names = [f"joint_{at}.pos" for at in range(DOF)]
    features: dict[str, Any] = {STATE: {"dtype": "float32", "shape": (DOF,), "names": names}}
    for name in CAMERAS:
        features[f"observation.images.{name}"] = {
            "dtype": "image",
            "shape": (240, 320, 3),
            "names": ["height", "width", "channels"],
        }
    policy = RemotePolicyConfig("act", folder, features, 100, "cpu")
    stub.Ready(services_pb2.Empty())
    stub.SendPolicyInstructions(services_pb2.PolicySetup(data=pickle.dumps(policy)))
    raw = {**dict(zip(names, map(float, state))), **images, "task": TASK}
    step = [0]

    def ask() -> int:
        step[0] += 1
        asked = TimedObservation(
            timestamp=time.time(), timestep=step[0], observation=raw, must_go=True
        )
        parts = send_bytes_in_chunks(pickle.dumps(asked), services_pb2.Observation, silent=True)
        stub.SendObservations(parts)
        while not (data := stub.GetActions(services_pb2.Empty()).data):
            pass
        actions = pickle.loads(data)
        assert len(actions) == 100 and actions[0].get_timestep() == step[0]
        return 1

    return ask


def opened(side: str, count: int, arguments: list[str]) -> list[Ask]:
    """The robots, each of which had its first chunk."""
    robots: list[Ask] = [lambda: 0] * count

    def one(robot: int) -> None:
        if side == "ours":
            robots[robot] = ours(arguments[0], robot)
        else:
            robots[robot] = theirs(arguments[robot], robot, arguments[-1])
        robots[robot]()

    together([lambda robot=robot: one(robot) for robot in range(count)])
    return robots


def together(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    side, count, *arguments = sys.argv[1:]
    robots = opened(side, int(count), arguments)

    def measure(question: dict[str, float]) -> dict[str, float]:
        first: list[float] = []  # when each robot had the chunks before it counts
        # When there was another one, how long it took, and how many were answered together.
        later: list[tuple[float, float, int]] = []
        until = time.perf_counter() + question["seconds"]

        def drive(ask: Ask) -> None:
            ask()  # the first finds those of the others at the server, as all later ones do
            ask()
            first.append(time.perf_counter())
            asked = 0
            while (begun := time.perf_counter()) < until or asked < 2:
                together_with = ask()
                asked += 1
                ended = time.perf_counter()
                later.append((ended, ended - begun, together_with))

        together([lambda ask=ask: drive(ask) for ask in robots])
        # From batch to batch: what a round begins and ends with is no part of the pace.
        begun = max(first)
        steady = [ended for ended, _, _ in later if ended > begun + TOGETHER_S]
        pace = len(steady) / (max(steady) - begun)
        p50, p95 = np.percentile([took for _, took, _ in later], (50, 95))
        size = len(later) / sum(1.0 / each for _, _, each in later)
        return {"chunks/s": pace, "p50 ms": 1e3 * p50, "p95 ms": 1e3 * p95, "batch": size}

    say("ready")
    answer(measure)


if __name__ == "__main__":
    main()
