"""Nested observations and lists of texts: flat on their way, as they were at the model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferential_core import Connection, LocalDispatcher, Server, UsageError
from inferential_core.models.form import ModelForm
from inferential_core.wire.nesting import flattened, nested
from robustness.slips.mistakes import Endless

names = st.text("abc", min_size=1, max_size=3)
leaves = st.one_of(st.integers(), st.text(max_size=3), st.lists(st.text(max_size=3), min_size=1))
trees = st.recursive(
    leaves, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8
)


@given(st.dictionaries(names, trees, max_size=4))
def test_what_is_flattened_is_nested_again(values: dict[str, Any]) -> None:
    flat = flattened(values, "observation")
    assert not any(isinstance(value, (dict, list)) for value in flat.values())
    assert nested(dict(reversed(flat.items()))) == values


def test_keys_with_dots_of_their_own_stay_where_only_lists_are_wanted() -> None:
    sent = {"video.front": 1, "annotation.human.task.0": "pick", "annotation.human.task.1": "up"}
    assert nested(sent, lists_only=True) == {
        "video.front": 1,
        "annotation.human.task": ["pick", "up"],
    }


def test_what_cannot_be_told_apart_is_refused_or_stays_as_it_is() -> None:
    with pytest.raises(UsageError, match="observation has two values for 'a.b'"):
        flattened({"a": {"b": 1}, "a.b": 2}, "observation")
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(UsageError, match="the observation is nested more than 8 times"):
        flattened(endless, "observation")
    assert nested({"a": 1, "a.b": 2}) == {"a": 1, "a.b": 2}
    with pytest.raises(UsageError, match="nested must be True, False or 'lists', not 'list'"):
        ModelForm(type("Wrong", (), {"nested": "list", "infer": lambda self, obs: obs})())


class Policy:
    """As openpi's (images by camera) and GR00T's (instructions as lists) take them."""

    nested = True

    def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
        assert obs["images"]["high"].shape == (3, 2, 2) and obs["task"] == ["pick", "up"]
        return {"actions": np.zeros((4, 2)) + obs["state"]["arm"]}


def test_a_policy_gets_a_nested_observation_over_a_socket() -> None:
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": Policy()}))
    server.start()
    try:
        with Connection(server.address, "r") as connection:
            model = connection.model("policy")
            images = {"high": np.zeros((3, 2, 2), np.uint8)}
            model.observe(images=images, task=["pick", "up"], state={"arm": np.ones(2)})
            reply = model.get_reply(timeout_ms=10_000)
        assert reply is not None and not reply.error, reply
        assert math.isclose(reply.result["actions"].mean(), 1.0)
    finally:
        server.stop()


def test_a_mapping_whose_items_have_no_end_is_refused() -> None:
    for values in (Endless(), {"within": Endless()}):
        with pytest.raises(UsageError, match="the answer has more than 10000 values"):
            flattened(values, "answer")
