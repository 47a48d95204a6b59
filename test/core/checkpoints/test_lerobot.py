"""The adapter for LeRobot's policies, against a stand-in; `make lerobot` has LeRobot itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lerobot_stand_in
import numpy as np
import pytest
import stand_in_packages

from inferential_core.cli.model_show import in_words
from inferential_core.errors import ConfigError
from inferential_core.models.caller import ModelCaller
from inferential_core.models.context import InferenceContext
from inferential_core.models.loading import load_model


@pytest.fixture(autouse=True)
def lerobot(tmp_path: Path) -> Iterator[None]:
    packages = tmp_path / "packages"
    described = packages / "lerobot-0.6.1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: lerobot\nVersion: 0.6.1\n")
    with stand_in_packages.installed(packages, lerobot_stand_in.FILES):
        yield


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return lerobot_stand_in.save(tmp_path / "act")


def ask(model: Any, *states: float, **more: Any) -> list[np.ndarray]:
    """Answers to one observation of each state, of clients c0, c1 and so on."""
    observations = [{"observation.state": np.full(2, state), **more} for state in states]
    contexts = [InferenceContext(f"c{at}", 0, 0, False, 1e9) for at in range(len(states))]
    return [answer["actions"] for answer in model.infer_batch(observations, contexts)]


def expected(state: float, light: float = 0.0) -> np.ndarray:
    """Normalized, asked, and made the robot's units again."""
    steps = 2.0 * (state - 1.0) + np.arange(4) + light + 100.0
    return np.repeat(steps[:, None], 2, axis=1)


def test_a_batch_is_one_call_between_the_checkpoints_own_processors(folder: Path) -> None:
    model = load_model(f"lerobot:{folder}")
    for state, chunk in zip((1.0, 2.0, 5.0), ask(model, 1.0, 2.0, 5.0, task="pick")):
        np.testing.assert_allclose(chunk, expected(state))
        assert chunk.dtype == np.float32
    assert model._loaded.policy.calls[-1] == (3, ["pick"] * 3)


def test_it_specifies_what_the_folder_says(tmp_path: Path) -> None:
    folder = lerobot_stand_in.save(tmp_path / "camera", "smolvla", camera=True)
    caller = ModelCaller("arm", load_model(f"lerobot:{folder}"))
    assert caller.specification["observation"] == {
        "observation.state": {"dtype": ["float32", "float64"], "shape": [2]},
        "observation.images.front": {
            "dtype": "uint8",
            "shape": [None, None, 3],
            "description": "resized to 4 x 6",
        },
        "task": {"dtype": "string", "optional": False},
    }
    assert caller.specification["horizon"] == 4
    notes = caller.specification["notes"]
    assert (notes["framework"], notes["policy"]) == ("lerobot 0.6.1", "smolvla")
    assert len(notes["needs"]) == 3
    assert caller.version.startswith("smolvla-")


def test_images_of_any_size_become_those_of_the_policy(tmp_path: Path) -> None:
    model = load_model(f"lerobot:{lerobot_stand_in.save(tmp_path / 'camera', camera=True)}")
    observations = [
        {"observation.state": np.ones(2), "observation.images.front": np.full(size, 51, np.uint8)}
        for size in ((4, 6, 3), (8, 12, 3), (4, 6, 3))
    ]
    contexts = [InferenceContext("c", 0, 0, False, 1e9)] * 3
    for answer in model.infer_batch(observations, contexts):
        np.testing.assert_allclose(answer["actions"], expected(1.0, light=51 / 255), atol=1e-6)


def test_batches_are_padded_and_each_size_is_warmed_up(folder: Path) -> None:
    model = load_model(f"lerobot:{folder}?batch_sizes=2,4")
    model._loaded.policy.calls.clear()
    model.warm_up()
    assert [size for size, _ in model._loaded.policy.calls] == [2, 4]
    assert len(ask(model, 1.0, 2.0, 3.0)) == 3
    assert model._loaded.policy.calls[-1][0] == 4


def test_a_policy_with_a_memory_has_one_for_each_client(tmp_path: Path) -> None:
    folder = lerobot_stand_in.save(tmp_path / "diffusion", "diffusion", n_obs_steps=2)
    model = load_model(f"lerobot:{folder}")
    assert model.stateful and model.specification["horizon"] == 1
    assert "the last 2 observations" in model.specification["notes"]["one_instance_a_client"]
    first, second = ask(model, 1.0, 11.0), ask(model, 3.0, 13.0)
    assert [float(each[0, 0]) for each in first] == [100.0, 110.0]
    assert [float(each[0, 0]) for each in second] == [101.0, 111.0]  # the mean of its last two
    model.reset("c0")
    assert [float(each[0, 0]) for each in ask(model, 5.0, 15.0)] == [104.0, 113.0]
    with pytest.raises(ConfigError, match="batch_sizes cannot be kept: it looks at the last 2"):
        load_model(f"lerobot:{folder}?batch_sizes=2")


@pytest.mark.parametrize(
    "kind,settings,words",
    [
        ("act", {"temporal_ensemble_coeff": 0.01}, "ensembles the actions of a robot over time"),
        ("third_party", {}, "may keep a memory of its robot"),
    ],
)
def test_what_may_keep_a_memory_is_not_served_in_batches(
    kind: str, settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    model = load_model(f"lerobot:{lerobot_stand_in.save(tmp_path / kind, kind, **settings)}")
    assert model.stateful
    assert words in model.specification["notes"]["one_instance_a_client"]


def test_names_and_rate_come_from_the_dataset_of_the_training(
    folder: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "dataset"
    (dataset / "meta").mkdir(parents=True)
    feature = {"names": ["lift.pos", "turn.pos"]}
    info = {"fps": 30, "features": {"action": feature, "observation.state": feature}}
    (dataset / "meta" / "info.json").write_text(json.dumps(info))
    (folder / "train_config.json").write_text(json.dumps({"dataset": {"root": str(dataset)}}))
    told = load_model(f"lerobot:{folder}").specification
    assert (told["action_names"], told["control_rate_hz"]) == (["lift.pos", "turn.pos"], 30.0)
    assert "needs" not in told["notes"]
    told = load_model(f"lerobot:{folder}?action_names=a,b").specification
    assert told["action_names"] == ["a", "b"]
    with pytest.raises(ConfigError, match="dataset=nowhere: .*info.json cannot be read"):
        load_model(f"lerobot:{folder}?dataset=nowhere")


def test_nothing_may_be_downloaded_while_it_is_loaded(folder: Path) -> None:
    before = dict(os.environ)
    load_model(f"lerobot:{folder}")  # the stand-in looks
    assert dict(os.environ) == before
    with pytest.raises(ConfigError, match="AssertionError: it may download"):
        load_model(f"lerobot:{folder}?hub=true")
    with pytest.raises(ConfigError, match="there is no folder .*user/name; .*hub=true allows its"):
        load_model("lerobot:user/name")


@pytest.mark.parametrize(
    "settings,options,words",
    [
        ({"kind": "acct"}, "", r"config.json: type: LeRobot knows no policy 'acct'; .* 'act'"),
        ({}, "?device=cuda", "option device=cuda: PyTorch cannot use it here: no cuda here"),
        ({}, "?rtc=on", "option rtc=on: there is no .* LeRobot's act does not support it; leave"),
        ({}, "?execution_horizon=8", "option execution_horizon=8: .* act does not support it"),
        ({}, "?rtc=off&execution_horizon=8", "option execution_horizon=8: .*: rtc is off; leave"),
        ({"n_obs_steps": 2}, "?rtc=on", "option rtc=on: .*: it looks at the last 2 observations"),
        ({}, "?action_names=a", "action_names: 1 names .* 2 columns of action"),
        ({"use_peft": True}, "", "merge it into its base policy with merge_and_unload"),
        (
            {"kind": "lingbot_va"},
            "",
            "lingbot_va cannot be served: it keeps what it saw",
        ),
    ],
)
def test_what_cannot_be_served_is_told_with_a_way_out(
    settings: dict[str, Any], options: str, words: str, tmp_path: Path
) -> None:
    folder = lerobot_stand_in.save(tmp_path / "policy", **settings)
    with pytest.raises(ConfigError, match=words):
        load_model(f"lerobot:{folder}{options}")


def test_a_folder_above_the_policy_is_told_with_the_right_one(folder: Path) -> None:
    with pytest.raises(ConfigError, match=f"has no config.json; did you mean {folder}"):
        load_model(f"lerobot:{folder.parent}")


def test_actions_that_are_no_numbers_are_told_of_at_load(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lerobot.policies.GAIN", float("nan"))
    caller = ModelCaller("arm", load_model(f"lerobot:{folder}?action_names=lift,turn"))
    (told,) = caller.specification["notes"]["warnings"]
    assert "actions that are not finite, in the columns lift, turn" in told
    assert f"warning: {told}" in in_words(caller) and told in caplog.text


def test_an_adapter_beside_whole_weights_is_told_of(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    (told,) = load_model(f"lerobot:{folder}").specification["notes"]["warnings"]
    assert told.startswith(
        "adapter_model.safetensors, an adapter of PEFT, lies beside the weights"
    )
    assert "is not used" in told and "merge_and_unload()" in told
