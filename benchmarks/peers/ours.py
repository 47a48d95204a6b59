"""Our server and our client, as users run them: nothing is tuned.

    ours.py server [OPTIONS]      OPTIONS, JSON: config, models, ray (the address of a cluster)
    ours.py client [FOLDER]       FOLDER: with keys

`models` names them with the arguments of `Policy`. The server tells where it is, then answers each
line with its status; {"metrics": {...}} changes these settings, {"tasks": true} counts coroutines.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from typing import Any

import numpy as np
from measuring import SdkClient, answer_questions

from benchmarks.processes import listen, tell
from inferential_core import Connection

OUTCOMES = ("ok", "expired", "superseded", "dropped", "rejected", "errors")


class Policy:
    """Answers with zeros, after fixed_s + each_s * b for b observations.

    fresh: a new array for each, as a real model makes. tagged: which begins with the first number
    of the observation's state, if it has one. Called for one observation at a time where `batches`
    is false.
    """

    def __init__(
        self,
        shape: tuple[int, ...] = (50, 7),
        dtype: str = "float32",
        fixed_s: float = 0.0,
        each_s: float = 0.0,
        fresh: bool = False,
        batches: bool = True,
        tagged: bool = False,
    ) -> None:
        self._tagged = tagged
        self._answer, self._fresh = np.zeros(shape, dtype), fresh
        self._fixed_s, self._each_s = fixed_s, each_s
        if batches:
            self.infer_batch = self._infer_batch
        else:
            self.infer = lambda observation: self._answer

    def _infer_batch(self, observations: list[Any]) -> list[Any]:
        if self._fixed_s + self._each_s:
            time.sleep(self._fixed_s + self._each_s * len(observations))
        if self._tagged:
            return [self._tagged_answer(each) for each in observations]
        return [self._answer.copy() if self._fresh else self._answer for _ in observations]

    def _tagged_answer(self, observation: Any) -> Any:
        answer = self._answer.copy()
        state = next((value for key, value in observation.items() if "state" in key), None)
        if state is not None:
            answer.flat[0] = np.asarray(state).flat[0]
        return {"actions": answer}


def serve(config: Any = None, models: Any = None, ray: str = "", max_batch: int = 0) -> None:
    from inferential_core import InferentialConfig, LocalDispatcher, Server

    models = models or {"policy": {"batches": False}}
    if ray:
        from inferential_core.dispatch.ray_serve import RayServeDispatcher

        dispatcher = RayServeDispatcher(list(models), address=ray)
    else:
        limits = {"max_batch": max_batch} if max_batch else {}
        policies = {name: Policy(**options) for name, options in models.items()}
        dispatcher = LocalDispatcher(policies, **limits)
    with Server(
        "tcp://127.0.0.1:0", config=InferentialConfig(**config or {}), dispatcher=dispatcher
    ) as server:
        while any(model.unavailable for model in dispatcher.models().values()):
            time.sleep(0.1)
        # builds of before the doors have none
        doors = [door["address"] for door in getattr(server, "doors", list)()]
        tell({"address": server.address, "page": server.page, "doors": doors})
        for question in listen():
            if metrics := question.get("metrics"):
                changed = server.config.metrics.model_copy(update=metrics)
                server.reconfigure(server.config.model_copy(update={"metrics": changed}))
            tell(account(server, "tasks" in question))


def account(server: Any, tasks: bool) -> dict[str, Any]:
    """The status, whether its counters add up, and what the process used."""
    status = server.status()
    ended = sum(status[name] for name in OUTCOMES)
    status["exact"] = status["received"] == ended + status["queued"] + status["in_flight"]
    status["ended"], status["clients"] = ended, len(status["clients"])
    status["cpu_s"] = sum(os.times()[:2])
    if tasks:
        status["tasks"] = sum(
            isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects()
        )
    return status


def connect(address: str, array: np.ndarray, keys: str = "") -> SdkClient:
    if not keys:
        return SdkClient(Connection(address), array)
    files = {"key": f"{keys}/client.key_secret", "server_key": f"{keys}/server.key"}
    return SdkClient(Connection(address, "client", **files), array)


if __name__ == "__main__":
    part, *words = sys.argv[1:]
    if part == "server":
        serve(**json.loads("".join(words) or "{}"))
    else:
        answer_questions(lambda address, array: connect(address, array, *words))
