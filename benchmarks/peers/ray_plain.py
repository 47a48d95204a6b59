"""Serve's own handle, one `remote` per request, no server between: ray_plain.py ADDRESS."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import numpy as np
import ray
from measuring import answer, closed_loop, say
from ray import serve


def measure(question: dict[str, Any]) -> dict[str, float]:
    chance = np.random.default_rng(0)

    async def robot(seconds: float) -> list[float]:
        array = (255 * chance.random(question["shape"])).astype(question["dtype"])
        handle = serve.get_app_handle(question["model"])
        took, end = [], time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            await handle.infer.remote({"x": array})
            took.append(time.perf_counter() - begun)
        return took

    async def all_robots(seconds: float) -> list[float]:
        robots = (robot(seconds) for _ in range(question["robots"]))
        return [took for each in await asyncio.gather(*robots) for took in each]

    return closed_loop(lambda seconds: asyncio.run(all_robots(seconds)), question)


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="error")
    say("ready")
    answer(measure)
