"""What runs inside of a Ray replica, called as Serve calls it, without Ray."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from inferential_core import stacked
from inferential_core.dispatch.ray_serve.replica import Serving
from inferential_core.errors import UsageError

STATE = np.arange(3, dtype=np.float32)
METHODS: dict[Any, Any] = {}  # by model, as a replica keeps its own


class Recurrent:
    """Counts the observations of each client's episode; some clients cannot be reset."""

    stateful = True

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.broken: set[str] = set()
        self.forgotten: list[str] = []

    def reset(self, client_id: str) -> None:
        if client_id in self.broken:
            raise RuntimeError(f"no memory for {client_id}")
        self.counts[client_id] = 0

    def forget(self, client_id: str) -> None:
        self.forgotten.append(client_id)
        raise RuntimeError("never heard of it")

    def infer_batch(self, observations: list[dict], contexts: list[Any]) -> list[dict]:
        for context in contexts:
            self.counts[context.client_id] += 1
        return [{"count": np.array([self.counts[c.client_id]])} for c in contexts]


class AsynchronousReset(Recurrent):
    async def reset(self, client_id: str) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().reset(client_id)


def observation(client_id: str, epoch: int = 0, first: bool = False) -> Any:
    return {"state": STATE}, {}, (client_id, epoch, 1, first, math.inf)


def serve(model: Any, *observations: Any, gone: tuple[str, ...] = ()) -> list[Any]:
    """The outcomes of one call."""
    if model not in METHODS:
        METHODS[model] = Serving(model, "replica-1", 4).method()
    _, _, _, outcomes, _ = asyncio.run(METHODS[model](list(observations), gone))
    return [
        outcome if isinstance(outcome, list) else int(outcome["count"][0]) for outcome in outcomes
    ]


@pytest.mark.parametrize("kind", [Recurrent, AsynchronousReset])
def test_a_model_that_cannot_begin_one_episode_serves_the_others(kind: type[Recurrent]) -> None:
    model = kind()
    assert serve(model, observation("a"), observation("b"), observation("c")) == [1, 1, 1]
    model.broken.add("b")
    first, second, third = serve(
        model, observation("a"), observation("b", epoch=1, first=True), observation("c")
    )
    assert (first, third) == (2, 2)
    assert second[:1] == ["RuntimeError"] and "no memory for b" in second[1]
    # It has no state to go on with: the next one begins the episode, told so or not.
    model.broken.clear()
    assert serve(model, observation("a"), observation("b", epoch=1)) == [3, 1]


def test_what_forgetting_raises_harms_nobody() -> None:
    model = Recurrent()
    assert serve(model, observation("a"), gone=("b", "c")) == [1]
    assert model.forgotten == ["b", "c"]


def test_an_episode_that_another_replica_began_begins_anew_here() -> None:
    model = Recurrent()
    assert serve(model, observation("a", epoch=5)) == [1]
    assert serve(model, observation("a", epoch=5)) == [2]
    assert serve(model, observation("a", epoch=5), gone=("a",)) == [1]


def test_one_observation_is_a_batch_of_one() -> None:
    class Batching:
        def infer_batch(self, observations: list[dict]) -> list[dict]:
            assert isinstance(observations, list)
            return [{"count": np.array([len(observations)])} for _ in observations]

    model = Batching()
    assert serve(model, observation("a")) == [1]
    assert serve(model, observation("a"), observation("b")) == [2, 2]


def test_an_asynchronous_model_may_be_stacked() -> None:
    class Stacked:
        @stacked
        async def infer_batch(self, batch: dict) -> dict:
            await asyncio.sleep(0)
            return {"count": batch["state"].sum(axis=1, dtype=int)[:, None]}

    assert serve(Stacked(), observation("a"), observation("b")) == [3, 3]


def test_a_model_that_cannot_be_asked_for_its_form_says_why() -> None:
    class Policy:
        def infer(self, obs: dict) -> dict:
            return obs

        @property
        def specification(self) -> dict:
            return {"horizon": object()}

    with pytest.raises(UsageError, match="cannot be told as JSON"):
        Serving(Policy(), "replica-1", 1)


def test_what_cannot_serve_says_so() -> None:
    with pytest.raises(UsageError, match="has neither infer"):
        Serving(object(), "replica-1", 1)
