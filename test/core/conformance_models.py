"""One model in every form; each observation says what is to become of it.

Loaded on a thread, in a process of its own and in a replica of Ray's; see `test_conformance`.
"""

from __future__ import annotations

import asyncio
import enum
import sys
import time
from typing import Any

import numpy as np
import tensor_stand_in as torch

from inferential_core import InferenceContext
from inferential_core.errors import RejectedError
from inferential_core.wire.images import encode

SPECIFICATION = {"action_names": ("left", "right"), "horizon": 2}


class Unusual(BaseException):
    """Not an Exception."""


class Phase(str, enum.Enum):
    GRASP = "grasp"


class Mute(Exception):
    """An error that fails when it is asked for its text."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


BUFFER = np.zeros(1)


def answer(obs: dict[str, Any], context: InferenceContext) -> Any:
    do = obs.get("do", "double")
    if do == "double":
        return {"actions": 2 * obs["x"]}
    if do == "bare":
        return 2 * obs["x"]
    if do == "reuse":
        BUFFER[:] = obs["x"]
        return {"actions": BUFFER}
    if do == "write":
        obs["x"][0] = 1.0
    if do == "who":
        return {
            "client": context.client_id,
            "numbers": np.array([context.epoch, context.request_id]),
            "first": context.first_of_episode,
            "left_s": context.deadline - time.monotonic(),
            "is_ours": isinstance(context, InferenceContext),
            "left_over": np.zeros(0) if context.left_over is None else context.left_over,
            "steps": np.array([context.left_over_steps, context.inference_delay]),
        }
    if do == "see":
        return {"shape": np.array(obs["camera"].shape), "mean": obs["camera"].mean()}
    if do == "draw":
        return {"picture": encode("picture", np.full((4, 6, 3), 200, np.uint8), "png")}
    if do == "parts":
        return {"action": {"arm": np.ones((2, 3)), "hand": {"left": [0.5]}}, "note": "x"}
    if do == "texts":
        return {"numpy": np.str_("grasp"), "enum": Phase.GRASP, "number": np.float64(1.5)}
    if do == "tensors":
        return {
            "grad": torch.tensor([1.0, 2.0], requires_grad=True),
            "half": torch.tensor([0.25, -1.5], dtype=torch.bfloat16),
        }
    return wrong(do)


def wrong(do: str) -> Any:
    """What a model may do wrong."""
    if do == "raise":
        raise ValueError("no such joint")
    if do == "exit":
        sys.exit("no such joint")
    if do == "unusual":
        raise Unusual("no such joint")
    if do == "stop":
        return next(iter(()))
    if do == "mute":
        raise Mute
    if do == "chatter":
        raise ValueError("blah" * 10_000)
    if do == "surrogate":
        raise ValueError("file \udcff is missing")
    if do == "reject":
        raise RejectedError("'x' is out of reach")
    if do == "return an error":
        return ValueError("bad")
    return {"none": None, "object": {"actions": object()}, "nested": {"a": {"b": object()}}}[do]


def function(obs: dict[str, Any], context: InferenceContext) -> Any:
    return answer(obs, context)


class Single:
    version = "single-1"
    specification = SPECIFICATION

    def infer(self, obs: dict[str, Any], context: InferenceContext) -> Any:
        return answer(obs, context)


class Batch:
    version = "batch-1"
    specification = SPECIFICATION

    def infer_batch(
        self, observations: list[dict[str, Any]], contexts: list[InferenceContext]
    ) -> Any:
        for obs in observations:
            if obs.get("do") == "one for all":
                return {"actions": np.zeros((len(observations), 2))}
            if obs.get("do") == "too few":
                return []
        return [answer(obs, context) for obs, context in zip(observations, contexts)]


class AsyncSingle(Single):
    async def infer(self, obs: dict[str, Any], context: InferenceContext) -> Any:  # type: ignore
        await asyncio.sleep(0)
        return answer(obs, context)


class AsyncBatch(Batch):
    async def infer_batch(self, observations: Any, contexts: Any) -> Any:  # type: ignore
        await asyncio.sleep(0)
        return super().infer_batch(observations, contexts)


class Recurrent:
    """Counts the observations of each client's episode; client "c1" may be broken."""

    stateful = True

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.broken: set[str] = set()

    def reset(self, client_id: str) -> None:
        if client_id in self.broken:
            raise Unusual(f"no memory for {client_id}")
        self.counts[client_id] = 0

    def forget(self, client_id: str) -> None:
        self.counts.pop(client_id, None)
        raise Unusual("it never heard of that client")

    def infer_batch(
        self, observations: list[dict[str, Any]], contexts: list[InferenceContext]
    ) -> list[Any]:
        answers = []
        for obs, context in zip(observations, contexts):
            self.counts[context.client_id] += 1
            if "break" in obs:
                self.broken.add(obs["break"])
            if "mend" in obs:
                self.broken.discard(obs["mend"])
            answers.append(
                {"count": self.counts[context.client_id], "known": ",".join(sorted(self.counts))}
            )
        return answers


class Compiled:
    """Takes batches of two or four, as a compiled network does, and tells how many it was given.

    Its first answer tells which sizes it was warmed up with.
    """

    batch_sizes = [2, 4]
    specification = {"observation": {"x": {"dtype": "float64", "shape": [1]}}}

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def infer_batch(self, observations: list[dict[str, Any]]) -> Any:
        self.sizes.append(len(observations))
        if len(observations) not in self.batch_sizes:
            raise ValueError(f"compiled for 2 and 4 observations, not for {len(observations)}")
        if any(obs["x"] < 0 for obs in observations):
            raise ValueError("x is negative")
        return [{"x": obs["x"], "sizes": np.array(self.sizes)} for obs in observations]


class Nested:
    """Tells the structure of what it is given."""

    nested = True

    def infer(self, obs: dict[str, Any]) -> Any:
        shown = {
            key: sorted(value) if isinstance(value, (dict, list)) else type(value).__name__
            for key, value in obs.items()
        }
        return {"shown": repr(dict(sorted(shown.items())))}
