"""A model may say which sizes of batch it takes: other batches are padded to the next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inferential_core import LocalDispatcher
from inferential_core.errors import UsageError
from inferential_core.models.caller import ModelCaller
from inferential_core.models.context import InferenceContext
from inferential_core.models.interface import padded


class Compiled:
    batch_sizes: Any = [4, 1, 2]
    specification = {"observation": {"x": {"dtype": "float32", "shape": [3]}}}

    def __init__(self, **attributes: Any) -> None:
        self.asked: list[int] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def infer_batch(self, observations: list[dict[str, Any]]) -> list[np.ndarray]:
        self.asked.append(len(observations))
        return [observation["x"] for observation in observations]


def test_the_warm_up_calls_every_size() -> None:
    model = Compiled()
    ModelCaller("policy", model).warm_up()
    assert model.asked == [1, 2, 4]


def test_the_answers_to_copies_are_thrown_away() -> None:
    model = Compiled()
    observations = [{"x": np.full(3, at, np.float32)} for at in range(3)]
    contexts = [InferenceContext("c", 0, 0, False, 1.0)] * 3
    results = ModelCaller("policy", model).call(observations, contexts)
    assert [float(result["actions"][0]) for result in results] == [0.0, 1.0, 2.0]  # type: ignore
    assert model.asked == [4]


def test_no_batch_is_larger_than_the_largest_size() -> None:
    dispatcher = LocalDispatcher({"policy": Compiled()}, max_batch=64)
    assert dispatcher.models()["policy"].max_batch == 4
    dispatcher = LocalDispatcher({"policy": Compiled()}, max_batch=3)
    assert dispatcher.models()["policy"].max_batch == 3  # which is padded to 4


@pytest.mark.parametrize("count,size", [(1, 2), (2, 2), (3, 8), (8, 8), (9, 9)])
def test_a_batch_is_filled_up_with_copies_of_its_last_item(count: int, size: int) -> None:
    filled = padded(list(range(count)), (2, 8))
    assert list(filled) == [*range(count), *[count - 1] * (size - count)]


def test_a_model_that_names_no_size_takes_any() -> None:
    assert padded([1, 2, 3], ()) == [1, 2, 3]
    assert ModelCaller("policy", Compiled(batch_sizes=None)).batch_sizes == ()


@pytest.mark.parametrize(
    "attributes,words",
    [
        ({"batch_sizes": [0, 2]}, "at least 1"),
        ({"batch_sizes": [2, 2]}, "different whole numbers"),
        ({"batch_sizes": []}, r"such as \[1, 2, 4, 8\]"),
        ({"batch_sizes": 8}, "must be a list of different whole numbers"),
        ({"batch_sizes": ["two"]}, "not \\['two'\\]"),
        ({"stateful": True}, "one step too many for a state"),
        ({"infer_batch": None, "infer": lambda obs: obs["x"]}, "for a model with infer_batch"),
    ],
)
def test_sizes_that_cannot_be_meant_are_refused_in_words(
    attributes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        ModelCaller("policy", Compiled(**attributes))
