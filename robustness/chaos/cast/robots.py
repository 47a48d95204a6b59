"""Robots in one process, each a real client with the executor that bridges have: `robots.py ...`.

A robot asks at an even rate, executes what comes at its control rate, and a witness looks at
every action it publishes. Told to rest, it asks no more until it is told to go on.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import sys
import time
from collections import Counter
from typing import Any

import numpy as np

from benchmarks.machine import allow_many_files
from benchmarks.processes import answering, tell
from inferential_core import AsyncConnection
from inferential_core.status import Status
from inferential_ros.execution.executor import Executor, PlanRefused, Rule, Source
from inferential_ros.execution.plan import Plan
from robustness.chaos.cast import walltime
from robustness.chaos.cast.witness import LEASE_S, Witness, answer

PERIOD_S = 0.05  # of a control tick, which is a step of a plan
PERIOD_NS, LEASE_NS = round(PERIOD_S * 1e9), round(LEASE_S * 1e9)
ASK_EVERY_S = 0.25
LOST_AFTER_MS = 700.0  # what has no answer by then keeps those behind it waiting
BUDGET_MS = 600.0
EFFORT = Rule((0, 1), "zeros", (-math.inf,) * 2, (math.inf,) * 2, "effort")


class Robot:
    """One client, its plans, and what became of its observations."""

    tags = itertools.count(1)

    def __init__(self, number: int, address: str) -> None:
        self.name = f"robot-{number}"
        self.witness = Witness(self.name, PERIOD_S)
        self.resting = False
        self.counts: Counter[str] = Counter()  # sent, each outcome, and refused: plans
        connection = AsyncConnection(address, client_id=self.name, client_type="simulated")
        options = {"supersede": True, "lost_after_ms": LOST_AFTER_MS}
        self._model = connection.model("policy", BUDGET_MS, **options)
        self._executor = Executor((EFFORT,), 2)
        self._asked: dict[int, tuple[int, float]] = {}  # request id -> tag and when

    @property
    def waiting(self) -> int:
        return len(self._asked)

    async def live(self, first: float) -> None:
        """Ask and listen, for ever."""
        due = first
        while True:
            now = time.monotonic()
            if now >= due:
                due += ASK_EVERY_S * (1 + (now - due) // ASK_EVERY_S)
                if not self.resting:
                    await self._ask()
            left_s = max(0.001, due - time.monotonic())
            if not self._asked:
                await asyncio.sleep(left_s)
                continue
            reply = await self._model.get_reply(timeout_ms=1e3 * left_s)
            if reply is not None and reply.status is not Status.WAITING:
                self._take(reply)

    async def _ask(self) -> None:
        tag, now = next(self.tags), time.monotonic()
        request = await self._model.observe(state=np.float32([tag, 0.0]))
        self.witness.asked(tag, now)
        self._asked[request] = tag, now
        self.counts["sent"] += 1

    def _take(self, reply: Any) -> None:
        _, asked = self._asked.pop(reply.request_id)
        self.counts[str(reply.status)] += 1
        if reply.status is not Status.OK:
            return
        actions, start_ns = np.asarray(reply.result["actions"]), int(asked * 1e9)
        plan = Plan(actions, start_ns, PERIOD_NS, LEASE_NS, request_id=reply.request_id)
        try:
            self._executor.accept(plan, time.monotonic_ns())
        except PlanRefused:
            self.counts["refused"] += 1

    def tick(self) -> None:
        """Publish what is due, before the witness."""
        tick = self._executor.tick(time.monotonic_ns())
        published = time.monotonic()
        if tick.source is Source.PLAN:
            assert tick.values[0] is not None
            tag, step = tick.values[0]
            self.witness.published(int(tag), int(step), published)


class Fleet:
    """All of them, and what one may ask of them."""

    def __init__(self, address: str, count: int) -> None:
        self.robots = [Robot(number, address) for number in range(count)]

    async def run(self) -> None:
        now = time.monotonic()
        spread = ASK_EVERY_S / len(self.robots)
        lives = [
            asyncio.create_task(robot.live(now + number * spread))
            for number, robot in enumerate(self.robots)
        ]
        lives.append(asyncio.create_task(self._tick()))
        tell("ready")
        answers = asyncio.create_task(answering(self.answer))
        done, _ = await asyncio.wait([*lives, answers], return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()  # a robot ends only by a fault of ours

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            for robot in self.robots:
                robot.tick()
            due += PERIOD_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def answer(self, question: dict[str, Any]) -> Any:
        if "rest" in question:
            return await self._rest(question["rest"])
        found = answer(question, [robot.witness for robot in self.robots])
        return {robot.name: robot.counts for robot in self.robots} if found is None else found

    async def _rest(self, rest: bool) -> int:
        """How many observations still wait for an end; they have had the time to find one."""
        for robot in self.robots:
            robot.resting = rest
        end = time.monotonic() + 4 * LOST_AFTER_MS / 1e3
        while rest and any(robot.waiting for robot in self.robots) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        return sum(robot.waiting for robot in self.robots)


if __name__ == "__main__":
    allow_many_files()
    walltime.install()
    asyncio.run(Fleet(sys.argv[1], int(sys.argv[2])).run())
