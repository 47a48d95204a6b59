"""Observations as arrays for a whole batch, and the answers back to each."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from inferential_core import EncodedImage, UsageError, WireError, stacked
from inferential_core.dispatch.base import InferenceContext
from inferential_core.models.caller import ModelCaller
from inferential_core.models.stacking import split, stack
from inferential_core.request import InferenceRequest
from inferential_core.wire.images import encode

Observation = dict[str, Any]


def contexts(count: int) -> list[InferenceContext]:
    return [InferenceContext.of(InferenceRequest(f"c{at}", "policy")) for at in range(count)]


def observation(at: float, size: int = 3) -> Observation:
    return {"x": np.full((size, 2), at, np.float32), "gain": np.array(at), "name": f"robot {at:g}"}


def test_equal_observations_become_one_array_for_each_key() -> None:
    (group,) = stack([observation(at) for at in range(4)])
    assert group.indices == [0, 1, 2, 3]
    assert (group.batch["x"].shape, group.batch["x"].dtype) == ((4, 3, 2), np.float32)
    assert group.batch["gain"].tolist() == [0, 1, 2, 3]
    assert group.batch["name"] == ["robot 0", "robot 1", "robot 2", "robot 3"]


@pytest.mark.parametrize(
    "other",
    [
        observation(9, size=5),
        {**observation(9), "x": np.zeros((3, 2))},  # another dtype
        {**observation(9), "more": np.zeros(1)},
        {"x": np.zeros((3, 2), np.float32), "gain": np.array(9.0)},
        {**observation(9), "name": np.zeros(1)},
    ],
)
def test_different_ones_are_groups_of_their_own(other: Observation) -> None:
    groups = stack([observation(0), other, observation(1), other])
    assert [group.indices for group in groups] == [[0, 2], [1, 3]]


def test_the_order_of_keys_makes_no_difference() -> None:
    turned = dict(reversed(observation(1).items()))
    assert len(stack([observation(0), turned])) == 1


def test_answers_are_split_by_their_first_dimension() -> None:
    first, second = split({"actions": np.arange(12).reshape(2, 3, 2), "name": ["a", "b"]}, 2)
    assert (first["actions"].tolist(), first["name"]) == ([[0, 1], [2, 3], [4, 5]], "a")
    assert (second["actions"].shape, second["name"]) == ((3, 2), "b")
    assert [part["actions"].tolist() for part in split(np.eye(2), 2)] == [[1, 0], [0, 1]]
    assert [part["note"] for part in split({"note": "same"}, 2)] == ["same", "same"]


def test_parts_of_an_answer_are_split_each() -> None:
    parts = split({"action": {"arm": np.eye(2), "hand": [3.0, 4.0]}}, 2)
    assert [part["action.hand"] for part in parts] == [3.0, 4.0]
    assert parts[1]["action.arm"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"actions": np.zeros((3, 2))}, "'actions': 3 in its first dimension, for a batch of 2"),
        ({"actions": np.zeros(())}, "'actions': a scalar, for a batch of 2"),
        (np.zeros((1, 50, 7)), "'actions': 1 in its first dimension"),
        ({"value": 3.0}, "'value': a scalar"),
    ],
)
def test_an_answer_of_another_size_is_told_with_its_key(answers: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        split(answers, 2)


class Policy:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    @stacked
    def infer_batch(self, batch: Any) -> Any:
        self.sizes.append(len(batch["x"]))
        return {"actions": 2 * batch["x"], "told": batch["name"]}


class ContextPolicy:
    @stacked
    def infer_batch(self, batch: Any, contexts: Any) -> Any:
        return {"actions": batch["x"], "told": [each.client_id for each in contexts]}


class AsyncPolicy:
    @stacked
    async def infer_batch(self, batch: Any) -> Any:
        await asyncio.sleep(0)
        return {"actions": 2 * batch["x"], "told": batch["name"]}


def test_a_model_is_called_once_for_each_kind_and_everybody_gets_their_own() -> None:
    policy = Policy()
    observations = [observation(at, size=3 + at % 2) for at in range(5)]
    results = ModelCaller("policy", policy).call(observations, contexts(5))
    assert policy.sizes == [3, 2]
    for at, result in enumerate(results):
        assert result["actions"].shape == (3 + at % 2, 2)
        assert result["actions"].max() == 2 * at
        assert result["told"] == f"robot {at}"


def test_a_model_may_be_async_or_take_contexts() -> None:
    caller = ModelCaller("policy", AsyncPolicy())
    assert [result["told"] for result in caller.call([observation(1)] * 2, contexts(2))] == [
        "robot 1"
    ] * 2
    caller.end_thread()
    observations = [observation(at, size=3 + at % 2) for at in range(3)]
    results = ModelCaller("policy", ContextPolicy()).call(observations, contexts(3))
    assert [result["told"] for result in results] == ["c0", "c1", "c2"]


def test_it_works_on_a_function_and_keeps_its_name() -> None:
    @stacked
    def infer_batch(batch: Any) -> Any:
        """Doubles."""
        return 2 * batch["x"]

    assert (infer_batch.__name__, infer_batch.__doc__) == ("infer_batch", "Doubles.")
    (answer,) = infer_batch([observation(4)])
    assert answer["actions"].max() == 8


def test_one_bad_observation_fails_alone() -> None:
    class Picky:
        @stacked
        def infer_batch(self, batch: Any) -> Any:
            if (batch["x"] < 0).any():
                raise ValueError("negative")
            return batch["x"]

    observations = [observation(at) for at in (1, -1, 3)]
    results = ModelCaller("policy", Picky()).call(observations, contexts(3))
    assert [isinstance(result, ValueError) for result in results] == [False, True, False]


# --- compressed images ---


def png(value: int, *shape: int) -> EncodedImage:
    pytest.importorskip("PIL.Image", reason="pillow is not installed")
    return encode("camera", np.full(shape or (4, 6, 3), value, np.uint8), "png")


def test_images_are_decoded_into_their_place_in_the_batch() -> None:
    decoded = np.full((4, 6, 3), 9, np.uint8)
    (group,) = stack([{"camera": png(7)}, {"camera": decoded}, {"camera": png(8)}])
    camera = group.batch["camera"]
    assert camera.shape == (3, 4, 6, 3) and camera.dtype == np.uint8
    assert camera[:, 0, 0, 0].tolist() == [7, 9, 8]
    assert camera.flags.writeable


def test_images_of_another_size_are_a_call_of_their_own() -> None:
    groups = stack([{"camera": png(7)}, {"camera": png(8, 2, 2, 3)}, {"camera": png(9)}])
    assert [group.indices for group in groups] == [[0, 2], [1]]


def test_a_stacked_model_gets_images_compressed_and_a_broken_one_fails_alone() -> None:
    class Policy:
        @stacked
        def infer_batch(self, batch):
            return {"mean": batch["camera"].mean(axis=(1, 2, 3))}

    good = png(7)
    broken = EncodedImage(bytes(good.data)[:45], "png")
    caller = ModelCaller("policy", Policy())
    first, failed, last = caller.call(
        [{"camera": each} for each in (good, broken, png(8))], contexts(3)
    )
    assert (first["mean"], last["mean"]) == (7.0, 8.0)
    assert isinstance(failed, WireError) and str(failed).startswith("'camera': broken png")
