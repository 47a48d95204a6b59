"""Serve's own handle, one `remote` per request, no server between: ray_plain.py ADDRESS."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import numpy as np
import ray
from measuring import percentiles
from ray import serve


async def measure(question: dict[str, Any]) -> dict[str, float]:
    handle = serve.get_app_handle(question["model"])
    chance = np.random.default_rng(0)
    took: list[float] = []

    async def robot(seconds: float) -> None:
        array = (255 * chance.random(question["shape"])).astype(question["dtype"])
        end = time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            await handle.infer.remote({"x": array})
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*[robot(question["warm_s"]) for _ in range(question["robots"])])
    took.clear()
    begun = time.perf_counter()
    await asyncio.gather(*[robot(question["seconds"]) for _ in range(question["robots"])])
    passed = time.perf_counter() - begun
    figures = percentiles([1e3 * each for each in took])
    return {"per_s": len(took) / passed, "p50_ms": figures["p50"], "p99_ms": figures["p99"]}


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="error")
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(asyncio.run(measure(json.loads(line)))), flush=True)
