"""A fleet to look at: `page_host.py ROBOTS`: a server with its page, two models, robots that act.

Each robot executes a chunk and asks for the next while half of it is left, over real sockets; the
third arm's chunks are so short that it stands still while it waits. Tells where the page is, and
ends with its stdin.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import Any

import numpy as np

from benchmarks.processes import answering, tell
from inferential_core import AsyncConnection, InferentialConfig, LocalDispatcher, Server

STEP_S = 0.02
HUNGRY = "arm_3"


class Policy:
    """Takes a + c b milliseconds, more or less."""

    def __init__(self, version: str, fixed_ms: float, each_ms: float, horizon: int) -> None:
        self.version = version
        self._fixed_s, self._each_s = fixed_ms / 1000, each_ms / 1000
        self._answer = {"actions": np.zeros((horizon, 7), np.float32)}

    def infer_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seconds = self._fixed_s + self._each_s * len(batch)
        time.sleep(seconds * random.uniform(0.95, 1.08))
        return [self._answer] * len(batch)


async def robot(server: str, name: str, model_id: str, horizon: int) -> None:
    """Acts for ever."""
    observed = np.zeros(7, np.float32)
    async with AsyncConnection(server, client_id=name, client_type=name.split("_")[0]) as link:
        model = link.model(model_id, control_period_ms=1000 * STEP_S)
        until = 0.0  # when its actions run out
        await asyncio.sleep(random.random())
        while True:
            left = max(0, int((until - time.monotonic()) / STEP_S))
            await model.observe(x=observed, steps_remaining=left or 1)
            reply = await model.get_reply(timeout_ms=5000)
            now = time.monotonic()
            if reply is not None and reply.result is not None:
                until = now + horizon * STEP_S
            wait = (until - now) / 2 * random.uniform(0.9, 1.1)
            await asyncio.sleep(wait if wait > 0 else STEP_S)


async def fleet(server: Server, robots: int) -> None:
    arms = robots * 2 // 3
    acting = [
        robot(server.address, name, "pick-and-place", 2 if name == HUNGRY else 16)
        for name in (f"arm_{number}" for number in range(1, arms + 1))
    ]
    acting += [
        robot(server.address, f"walker_{number}", "walk", 8)
        for number in range(1, robots - arms + 1)
    ]
    tasks = [asyncio.ensure_future(each) for each in acting]
    tell({"page": server.page})

    async def status(_: Any) -> Any:
        return {"received": server.status()["received"]}

    await answering(status)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    policies = {
        "pick-and-place": Policy("v12", 21.0, 1.7, 16),
        "walk": Policy("2026-11-20", 6.0, 0.4, 8),
    }
    config = InferentialConfig(http={"bind": "127.0.0.1:0"})
    dispatcher = LocalDispatcher(policies)
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        asyncio.run(fleet(server, int(sys.argv[1])))


if __name__ == "__main__":
    main()
