"""`failing.py server BIND`, `robots COUNT SERVERS` or `bridges CONTRACT SERVERS NAME`: of a fleet.

A plan lasts 0.8 s and is asked for when half of it is left. Robots and bridges answer each line
with what happened since the one before.
"""

from __future__ import annotations

import asyncio
import math
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.processes import answering, tell
from inferential_core import AsyncConnection, Status

STEP_S, STEPS = 0.02, 40
PLAN_S = STEPS * STEP_S
CALL_S = 0.01  # of the model, for a batch
STATE_HZ = 100.0


def server(bind: str) -> None:
    """Serve until SIGTERM, and drain then."""
    from inferential_core import InferentialConfig, LocalDispatcher, Server

    def infer_batch(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        time.sleep(CALL_S)
        return [{"actions": np.zeros((STEPS, 7), np.float32)} for _ in batch]

    class Policy:
        """Answers any batch."""

    Policy.infer_batch = staticmethod(infer_batch)  # type: ignore[attr-defined]
    config = InferentialConfig(transport={"bind": bind}, http={"bind": "off"})
    served = Server(config=config, dispatcher=LocalDispatcher({"policy": Policy()}))
    served.start()
    tell({"address": served.address})
    asyncio.run(served.run())


@dataclass
class Seen:
    """What happened to all robots."""

    answers: int = 0
    worst_s: float = 0.0  # from when an observation was due to its answer
    dry: int = 0  # answers that came after the plan before had ended
    ended: dict[str, int] = field(default_factory=dict)  # observations without an answer, by why
    asked: dict[str, int] = field(default_factory=dict)  # robots that ask each server now


class Robots:
    """So many simulated robots."""

    def __init__(self, count: int, servers: str) -> None:
        self._count, self._servers = count, servers
        self._seen = Seen()
        self._connections: list[AsyncConnection] = []

    async def run(self) -> None:
        """Ask until stdin ends."""
        robots = [asyncio.ensure_future(self._robot(number)) for number in range(self._count)]
        await answering(self._tell)
        for robot in robots:
            robot.cancel()

    async def _tell(self, question: Any) -> Any:
        seen, self._seen = self._seen, Seen()
        seen.asked = dict(Counter(each.server for each in self._connections))
        return asdict(seen)

    async def _robot(self, number: int) -> None:
        async with AsyncConnection(self._servers, client_id=f"robot-{number}") as connection:
            self._connections.append(connection)
            model = connection.model("policy", control_period_ms=1000 * STEP_S)
            due = time.monotonic() + 1.0 + number / self._count * PLAN_S / 2
            ends = math.inf  # the plan at hand
            while True:
                await asyncio.sleep(due - time.monotonic())
                while True:
                    asked = time.monotonic()
                    left = None if ends == math.inf else max(0, int((ends - asked) / STEP_S))
                    await model.observe(steps_remaining=left, state=np.zeros(7, np.float32))
                    reply = await model.get_reply(timeout_ms=None)
                    if reply is not None and reply.status is Status.OK:
                        break
                    how = f"{reply.status}: {reply.error}" if reply is not None else "none"
                    self._seen.ended[how] = self._seen.ended.get(how, 0) + 1
                now = time.monotonic()
                self._seen.answers += 1
                self._seen.worst_s = max(self._seen.worst_s, now - due)
                self._seen.dry += now > ends
                ends = asked + PLAN_S
                due = ends - PLAN_S / 2


def bridges(contract: str, servers: str, name: str) -> None:
    """Two bridges as shipped, and the topics of their robots."""
    import rclpy
    from inferential.msg import ActionChunk, BridgeStatus
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from sensor_msgs.msg import JointState

    rclpy.init()
    node = rclpy.create_node(f"witness_{name}")
    names = (f"{name}_1", f"{name}_2")
    chunks: dict[str, list[float]] = {name: [] for name in names}
    status: dict[str, BridgeStatus] = {}
    joints = JointState(name=["a"], position=[0.1])
    publishers = []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    for name in names:
        publishers.append(node.create_publisher(JointState, f"{name}/joint_states", 1))
        node.create_subscription(
            BridgeStatus,
            f"{name}/bridge_status",
            lambda message, name=name: status.__setitem__(name, message),
            latched,
        )
        node.create_subscription(
            ActionChunk,
            f"{name}/action_chunk",
            lambda _, name=name: chunks[name].append(time.monotonic()),
            10,
        )

    def publish() -> None:
        joints.header.stamp = node.get_clock().now().to_msg()
        for publisher in publishers:
            publisher.publish(joints)

    node.create_timer(1.0 / STATE_HZ, publish)
    with ExitStack() as stack:
        processes = []
        for name in names:
            words = ["-r", f"__ns:=/{name}", "-p", f"contract_file:={contract}"]
            words += ["-p", f"server:={servers}", "-p", "sample_timeout:=0.0"]
            command = [sys.executable, "-m", "inferential_ros.bridge_node", "--ros-args", *words]
            process = subprocess.Popen(command)
            stack.callback(process.wait)
            stack.callback(process.send_signal, signal.SIGTERM)
            processes.append(process)

        def answer() -> None:
            before = {name: 0 for name in names}
            for _ in sys.stdin:
                told = {}
                for name, process in zip(names, processes):
                    times, chunks[name] = chunks[name], chunks[name][-1:]
                    gaps = np.diff(times)
                    now = status[name]
                    told[name] = {
                        "pid": process.pid,
                        "server": now.server,
                        "chunks": len(gaps),
                        "worst_s": float(max(gaps, default=math.inf)) - PLAN_S / 2,
                        "dry": now.fallback_ticks - before[name],
                        "lost": now.lost,
                    }
                    before[name] = now.fallback_ticks
                tell(told)
            rclpy.shutdown()

        while not all(name in status and status[name].ok for name in names):
            rclpy.spin_once(node)
        tell({})
        threading.Thread(target=answer, daemon=True).start()
        rclpy.spin(node)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "server":
        server(*words)
    elif what == "robots":
        asyncio.run(Robots(int(words[0]), words[1]).run())
    else:
        bridges(*words)
