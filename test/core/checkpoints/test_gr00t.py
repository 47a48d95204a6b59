"""GR00T's policies, which take batches themselves: against a stand-in with their signature."""

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
    "gr00t.data.embodiment_tags": """
from enum import Enum


class EmbodimentTag(Enum):
    GR1 = "gr1"
    NEW_EMBODIMENT = "new_embodiment"
""",
    "gr00t.policy.gr00t_policy": """
from types import SimpleNamespace as Config

import numpy as np


class Gr00tPolicy:
    def __init__(self, embodiment_tag, model_path, *, device, strict=True):
        self.calls = []
        self.made = (embodiment_tag.value, device)

    def get_modality_config(self):
        return {
            "video": Config(delta_indices=[-1, 0], modality_keys=["ego"]),
            "state": Config(delta_indices=[0], modality_keys=["arm", "hand"]),
            "action": Config(delta_indices=list(range(16)), modality_keys=["arm", "hand"]),
            "language": Config(delta_indices=[0], modality_keys=["annotation.human.task"]),
        }

    def get_action(self, observation, options=None):
        video, state = observation["video"]["ego"], observation["state"]
        count = len(video)
        self.calls.append(count)
        assert video.ndim == 5 and video.shape[1] == 2 and video.dtype == np.uint8
        assert state["arm"].shape == (count, 1, 7) and state["arm"].dtype == np.float32
        assert all(len(text) == 1 for text in observation["language"]["annotation.human.task"])
        light = video.reshape(count, -1).mean(axis=1)[:, None, None]
        return {
            "arm": np.tile(state["arm"], (1, 16, 1)) + light,
            "hand": np.tile(state["hand"], (1, 16, 1)),
        }, {}
""",
}


@pytest.fixture(autouse=True)
def checkpoint(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "packages").mkdir()
    (tmp_path / "n17").mkdir()
    (tmp_path / "n17" / "config.json").write_text("{}")
    with stand_in_packages.installed(tmp_path / "packages", FILES):
        yield tmp_path / "n17"


def observation(at: int, size: int = 4) -> dict[str, Any]:
    return {
        "video.ego": np.full((2, size, 6, 3), at, np.uint8),
        "state.arm": np.full(7, at, np.float64),
        "state.hand": np.full(2, -at, np.float32),
        "annotation.human.task": "pick",
    }


def test_a_batch_is_one_call_in_gr00ts_form(checkpoint: Path) -> None:
    model = load_model(f"gr00t:{checkpoint}?embodiment=GR1&device=cpu")
    answers = model.infer_batch([observation(1), observation(2), observation(3)])
    assert model._policy.calls == [3]
    assert model._policy.made == ("gr1", "cpu")
    for at, answer in enumerate(answers, 1):
        np.testing.assert_array_equal(answer["action.arm"], np.full((16, 7), 2.0 * at))
        np.testing.assert_array_equal(answer["action.hand"], np.full((16, 2), -float(at)))


def test_cameras_of_two_sizes_have_a_call_each(checkpoint: Path) -> None:
    model = load_model(f"gr00t:{checkpoint}?embodiment=new_embodiment")
    model.infer_batch([observation(1), observation(2, size=8), observation(3)])
    assert model._policy.calls == [2, 1]


def test_it_specifies_keys_and_history(checkpoint: Path) -> None:
    model = load_model(f"gr00t:{checkpoint}?embodiment=gr1")
    declared = ModelCaller("humanoid", model).specification
    assert declared["observation"] == {
        "video.ego": {"dtype": "uint8", "shape": [2, None, None, 3]},
        "state.arm": {"dtype": ["float32", "float64"], "shape": [None]},
        "state.hand": {"dtype": ["float32", "float64"], "shape": [None]},
        "annotation.human.task": {"dtype": "string"},
    }
    assert declared["horizon"] == 16
    assert declared["notes"]["action_parts"] == ["action.arm", "action.hand"]


def test_the_names_of_columns_are_noted_as_other_checkpoints_note_them(checkpoint: Path) -> None:
    options = "embodiment=gr1&state_names=a,b&action_names=c&control_rate_hz=20"
    declared = load_model(f"gr00t:{checkpoint}?{options}").specification
    assert declared["notes"]["state_names"] == ["a", "b"]
    assert (declared["action_names"], declared["control_rate_hz"]) == (["c"], 20.0)


def test_weights_that_are_no_numbers_are_told_of_at_load(checkpoint: Path) -> None:
    class Weights(np.ndarray):
        def isnan(self) -> Any:
            return np.isnan(self)

    class Network:
        """As PyTorch's modules tell their parameters, which are numpy arrays here."""

        def __init__(self, **rows: list[float]) -> None:
            self._rows = rows

        def named_parameters(self) -> Any:
            return [(name, np.float32(row).view(Weights)) for name, row in self._rows.items()]

    from gr00t.policy import gr00t_policy

    def notes(network: Network) -> dict[str, Any]:
        gr00t_policy.Gr00tPolicy.model = network
        return load_model(f"gr00t:{checkpoint}?embodiment=gr1").specification["notes"]

    assert "warnings" not in notes(Network(head=[1, 2]))
    assert notes(Network(head=[1, 2], hand=[np.nan], arm=[np.nan]))["warnings"] == [
        "its weights hand and 1 more hold NaN: the file may be damaged"
    ]


def test_an_embodiment_that_is_unknown_is_told_with_the_known_ones(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="embodiment=g1: it must be one of GR1, NEW_EMBODIMENT"):
        load_model(f"gr00t:{checkpoint}?embodiment=g1")
