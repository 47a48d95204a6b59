"""openpi's policies answer batches, though `Policy.infer` takes one: against a stand-in.

The stand-in has the parts of openpi 15a9616 that the adapter uses: `Policy` with its transforms
and `sample_actions`, `Observation.from_dict`, and jax's `asarray` and `split`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stand_in_packages

from inferential_core.errors import ConfigError
from inferential_core.models.caller import ModelCaller
from inferential_core.models.loading import load_model

FILES = {
    "jax.numpy": "from numpy import asarray",
    "jax.random": "def split(key):\n    return key + 1, key",
    "openpi.models.model": """
class Observation:
    @classmethod
    def from_dict(cls, data):
        made = cls()
        made.images, made.state = data.pop("image"), data["state"]
        return made
""",
    "openpi.training.config": """
def get_config(name):
    if name != "pi0_arm":
        raise ValueError(f"Config '{name}' not found.")
    return name
""",
    "openpi.policies.arm_policy": """
import numpy as np


def make_arm_example():
    return {
        "state": np.ones(2),
        "images": {"cam_high": np.zeros((3, 4, 6), np.uint8)},
        "prompt": "do something",
    }


class ArmInputs:
    def __call__(self, data):
        images = data.pop("images")
        assert images["cam_high"].shape == (3, 4, 6)
        return {
            "state": np.asarray(data["state"]) * 10,
            "image": {"base_0_rgb": np.moveaxis(images["cam_high"], 0, -1)},
        }


class ArmOutputs:
    def __call__(self, data):
        return {"actions": np.asarray(data["actions"][:, :2]) + np.asarray(data["state"])}
""",
    "openpi.policies.policy_config": """
import numpy as np
from openpi.models.model import Observation
from openpi.policies import arm_policy


class Composite:
    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, data):
        for transform in self.transforms:
            data = transform(data)
        return data


class Policy:
    def __init__(self, prompt):
        self._input_transform = Composite(arm_policy.ArmInputs())
        self._output_transform = Composite(arm_policy.ArmOutputs())
        self._sample_kwargs = {"num_steps": 3}
        self._is_pytorch_model = False
        self._rng = 7
        self.prompt = prompt
        self.sizes = []

    def _sample_actions(self, rng, observation, num_steps):
        assert num_steps == 3
        self.sizes.append(len(observation.state))
        light = observation.images["base_0_rgb"].reshape(len(observation.state), -1).mean(axis=1)
        return np.tile(light[:, None, None], (1, 5, 8))

    def infer(self, obs):
        row = self._input_transform(dict(obs))
        actions = self._sample_actions(0, Observation.from_dict(
            {"state": row["state"][None], "image": {k: v[None] for k, v in row["image"].items()}}
        ), num_steps=3)
        return self._output_transform({"state": row["state"], "actions": actions[0]})


def create_trained_policy(config, folder, *, default_prompt=None, pytorch_device=None):
    return Policy(default_prompt)
""",
}


@pytest.fixture(autouse=True)
def openpi(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "packages").mkdir()
    (tmp_path / "checkpoint").mkdir()
    with stand_in_packages.installed(tmp_path / "packages", FILES):
        yield


@pytest.fixture()
def model(tmp_path: Path) -> Any:
    return load_model(f"openpi:pi0_arm@{tmp_path}/checkpoint")


def observation(light: int) -> dict[str, Any]:
    return {
        "state": np.array([light, 0.5]),
        "images.cam_high": np.full((4, 6, 3), light, np.uint8),
        "prompt": "pick",
    }


def test_a_batch_answers_what_openpi_answers_one_by_one(model: Any) -> None:
    asked = [observation(light) for light in (10, 20, 30)]
    caller = ModelCaller("arm", model)
    answers = caller.call(asked, [None] * 3)  # type: ignore[list-item]
    assert model._policy.sizes[-1] == 4  # padded, in one call
    for answer, one in zip(answers, asked):
        image = np.moveaxis(one["images.cam_high"], -1, 0)  # as ALOHA's transforms take it
        nested = {"state": one["state"], "images": {"cam_high": image}}
        theirs = model._policy.infer(nested)["actions"]
        np.testing.assert_array_equal(answer["actions"], theirs)  # type: ignore[index]
        assert theirs.shape == (5, 2)


def test_it_specifies_what_openpis_own_example_holds(model: Any) -> None:
    declared = ModelCaller("arm", model).specification
    assert declared["observation"] == {
        "state": {"dtype": ["float32", "float64"], "shape": [2]},
        "images.cam_high": {"dtype": "uint8", "shape": [None, None, 3]},
        "prompt": {"dtype": "string", "optional": True},
    }
    assert (declared["horizon"], declared["notes"]["action_columns"]) == (5, 2)


def test_actions_that_are_no_numbers_are_told_of_at_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "openpi.policies.policy_config.Policy._sample_actions",
        lambda self, rng, observation, num_steps: np.full((len(observation.state), 5, 8), np.nan),
    )
    (told,) = load_model(f"openpi:pi0_arm@{tmp_path}/checkpoint").specification["notes"][
        "warnings"
    ]
    assert "not finite, in the columns 0, 1: its weights" in told and told in caplog.text


def test_the_warm_up_compiles_each_size_of_batch(model: Any) -> None:
    model._policy.sizes.clear()
    model.warm_up()
    assert model._policy.sizes == [1, 2, 4, 8]


def test_an_openpi_with_other_names_inside_is_asked_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openpi.policies import policy_config

    class Renamed:
        def infer(self, obs: dict[str, Any]) -> dict[str, Any]:
            return {"actions": np.full((5, 2), obs["state"][0]), "policy_timing": {}}

    monkeypatch.setattr(policy_config, "create_trained_policy", lambda *_, **__: Renamed())
    model = load_model(f"openpi:pi0_arm@{tmp_path}/checkpoint")
    answers = model.infer_batch([observation(1), observation(2)])
    assert [float(answer["actions"][0, 0]) for answer in answers] == [1.0, 2.0]
    assert "a call takes one" in model.specification["notes"]["batches"]


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write openpi:CONFIG@FOLDER"):
        load_model("openpi:pi0_arm")
    with pytest.raises(ConfigError, match="there is no folder .*; .hub=true allows its download"):
        load_model("openpi:pi0_arm@gs://openpi-assets/checkpoints/pi0_arm")
    with pytest.raises(ConfigError, match="Config 'pi0_leg' not found"):
        load_model(f"openpi:pi0_leg@{tmp_path}/checkpoint")
