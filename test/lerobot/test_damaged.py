"""A checkpoint that is damaged is refused in one line that names the file, or warned of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from lerobot.configs import PreTrainedConfig
from lerobot.policies import make_pre_post_processors
from safetensors.torch import load_file, save_file

from inferential_core.errors import ConfigError
from inferential_core.models.loading import load_model


@pytest.fixture()
def folder(act: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(act, tmp_path / "copy"))


def warnings(folder: Path) -> list[str]:
    found: list[str] = load_model(f"lerobot:{folder}").specification["notes"].get("warnings", [])
    return found


@pytest.mark.parametrize(
    "missing",
    [
        "model.safetensors",
        "policy_preprocessor.json",
        "policy_postprocessor.json",
        "policy_preprocessor_step_3_normalizer_processor.safetensors",
    ],
)
def test_a_file_that_is_missing_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=f"{missing}.* is missing: copy the whole folder"):
        load_model(f"lerobot:{folder}")


def test_a_type_that_is_misspelt_is_told_with_the_one_that_is_meant(folder: Path) -> None:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "type": "acct"}))
    with pytest.raises(ConfigError, match="knows no policy 'acct'; did you mean 'act'"):
        load_model(f"lerobot:{folder}")


def test_weights_that_are_no_numbers_are_told_of(folder: Path) -> None:
    assert warnings(folder) == []
    weights = load_file(folder / "model.safetensors")
    weights["model.action_head.bias"][2] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (told,) = warnings(folder)
    assert "not finite, in the columns 2: its weights may be damaged" in told


def test_a_checkpoint_without_statistics_is_told_of(folder: Path) -> None:
    for file in folder.glob("policy_*"):
        file.unlink()
    for pipeline in make_pre_post_processors(PreTrainedConfig.from_pretrained(folder)):
        pipeline.save_pretrained(folder)
    state, action = warnings(folder)
    assert "no statistics of observation.state (mode MEAN_STD), which is not normalized" in state
    assert "no statistics of action (mode MEAN_STD), which is not made the robot's" in action


def test_an_adapter_beside_whole_weights_changes_nothing_and_is_told_of(folder: Path) -> None:
    before = load_model(f"lerobot:{folder}").of_zeros()
    weights = {
        name: tensor * 0 for name, tensor in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (told,) = warnings(folder)
    assert "adapter_model.safetensors, an adapter of PEFT, lies beside the weights" in told
    assert (load_model(f"lerobot:{folder}").of_zeros() == before).all()
