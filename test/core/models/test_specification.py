"""What a model says it takes, and observations that do or do not fit it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inferential_core import (
    Connection,
    EncodedImage,
    LocalDispatcher,
    Server,
    Status,
    UsageError,
)
from inferential_core.errors import RejectedError
from inferential_core.models.caller import ModelCaller
from inferential_core.models.specification import compile_specification

LONG_MS = 20_000

SPECIFICATION: dict[str, Any] = {
    "observation": {
        "joints": {"dtype": "float32", "shape": [7]},
        "camera": {"dtype": "uint8", "shape": [None, None, 3]},
        "depth": {"dtype": ["float32", "float64"], "shape": [4, None], "optional": True},
        "prompt": {"dtype": "string", "optional": True, "description": "what to do"},
        "anything": {"optional": True},
    },
    "action_names": ["a", "b"],
    "horizon": 50,
    "control_rate_hz": 50,
    "notes": {"trained_on": "kitchen"},
}
GOOD: dict[str, Any] = {
    "joints": np.zeros(7, np.float32),
    "camera": np.zeros((4, 6, 3), np.uint8),
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"camera": EncodedImage(b"", "jpeg", (480, 640, 3))},
        {"depth": np.zeros((4, 9))},
        {"depth": np.zeros((4, 0), np.float32)},
        {"prompt": "pick", "anything": np.zeros((1, 2, 3)), "other": np.zeros(1)},
    ],
)
def test_what_fits_passes(more: dict[str, Any]) -> None:
    compile_specification(SPECIFICATION).check({**GOOD, **more})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joints": None}, r"'joints' is missing$"),
        (
            {"joints": None, "jonts": np.zeros(7)},
            "'joints' is missing; did you mean it by 'jonts'",
        ),
        ({"joints": np.zeros(7)}, "'joints': float64, the model takes float32"),
        ({"joints": np.zeros(6, np.float32)}, r"'joints': shape \[6\], the model takes \[7\]"),
        ({"joints": np.zeros((7, 1), np.float32)}, r"'joints': shape \[7, 1\]"),
        ({"joints": "seven"}, "'joints': text, the model takes float32"),
        ({"camera": np.zeros((4, 6, 4), np.uint8)}, r"takes \[any, any, 3\]"),
        ({"camera": EncodedImage(b"", "jpeg", (4, 6))}, r"'camera': shape \[4, 6\]"),
        ({"depth": np.zeros((4, 2), np.int32)}, "'depth': int32, .* float32 or float64"),
        ({"depth": np.zeros((5, 2))}, r"'depth': shape \[5, 2\], the model takes \[4, any\]"),
        ({"prompt": np.zeros(2)}, "'prompt': an array, the model takes text"),
        ({"anything": "text"}, "'anything': text, the model takes an array"),
    ],
)
def test_what_does_not_fit_is_rejected_with_the_key(change: dict[str, Any], said: str) -> None:
    values = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(RejectedError, match=said):
        compile_specification(SPECIFICATION).check(values)


def test_other_keys_are_rejected_where_the_model_says_so() -> None:
    strict = compile_specification({**SPECIFICATION, "other_keys": "reject"})
    strict.check({**GOOD, "prompt": "pick"})
    with pytest.raises(RejectedError, match="'promt' is not taken: did you mean 'prompt'"):
        strict.check({**GOOD, "promt": "pick"})


@pytest.mark.parametrize(
    ("specification", "said"),
    [
        (["joints"], "specification must be a mapping, not list"),
        ({"observatoin": {}}, "unknown key 'observatoin': did you mean 'observation'"),
        ({"observation": ["x"]}, "specification.observation must be a mapping"),
        ({"observation": {"x": 7}}, "specification.observation.x must be a mapping"),
        ({"observation": {"x": {"shpe": [7]}}}, "observation.x: unknown key 'shpe'.*'shape'"),
        ({"observation": {"x": {"dtype": "float23"}}}, "x.dtype: 'float23': did you mean 'float"),
        ({"observation": {"x": {"dtype": "complex64"}}}, "x.dtype: 'complex64': .*float32"),
        (
            {"observation": {"x": {"shape": 7}}},
            "x.shape must be a list of sizes, with None for any size, not 7",
        ),
        ({"observation": {"x": {"shape": [-1]}}}, r"x.shape must be .*, not \[-1\]"),
        ({"observation": {"x": {"dtype": "string", "shape": [1]}}}, "a string can have no shape"),
        ({"observation": {"x": {"optional": 1}}}, "x.optional must be true or false, not 1"),
        ({"other_keys": "drop"}, "other_keys must be ignore or reject, not 'drop'"),
        ({"horizon": 0}, "specification.horizon must be a number of steps, at least 1, not 0"),
        ({"control_rate_hz": -1.0}, "control_rate_hz must be a rate in Hz above 0, not -1.0"),
        ({"action_names": "ab"}, "action_names must be a list of names, not 'ab'"),
        ({"action_names": ["a", "a"]}, "specification.action_names has a name twice"),
        ({"notes": object()}, "cannot be told as JSON"),
    ],
)
def test_a_wrong_specification_is_told_when_the_model_is_given(
    specification: Any, said: str
) -> None:
    class Model:
        def infer(self, obs: Any) -> Any:
            return obs

    model = Model()
    model.specification = specification  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=f"^model 'policy': .*{said}"):
        ModelCaller("policy", model)


class Declaring:
    specification = SPECIFICATION
    asked = 0

    def infer(self, obs: Any) -> Any:
        self.asked += 1
        return {"actions": obs["joints"]}


def test_an_observation_that_does_not_fit_never_reaches_the_model_and_is_told_why() -> None:
    policy = Declaring()
    dispatcher = LocalDispatcher({"policy": policy}, warm_up=False)
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as connection:
            model = connection.model("policy")
            assert model.specification(LONG_MS) == SPECIFICATION
            model.observe(joints=np.zeros(6, np.float32), camera=GOOD["camera"])
            reply = model.get_reply(LONG_MS)
            assert (reply.status, reply.error) == (
                Status.REJECTED,
                "'joints': shape [6], the model takes [7]",
            )
            model.observe(**GOOD)
            assert model.get_result(LONG_MS)["actions"].shape == (7,)
    assert policy.asked == 1
