"""Every type of policy of LeRobot is served in batches, one instance a client, or refused."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_policies
import torch
from conftest import contexts, observations
from lerobot.configs import PreTrainedConfig
from lerobot.policies import get_policy_class, make_pre_post_processors
from lerobot.policies.factory import make_policy_config

from inferential_core.checkpoints.lerobot.chunking import ChunkPolicy
from inferential_core.checkpoints.lerobot.loading import CHUNKING, REFUSED, why_stepwise
from inferential_core.checkpoints.lerobot.observing import batch_of
from inferential_core.checkpoints.lerobot.stepping import StepPolicy
from inferential_core.errors import ConfigError
from inferential_core.models.loading import load_model

STEPPING = {"diffusion", "gaussian_actor", "multi_task_dit", "tdmpc", "vqbet"}

# Those that can be made here: small, of what this environment has, and without a download.
SMALL: dict[str, dict[str, Any]] = {
    "diffusion": {
        "cameras": 0,
        "horizon": 8,
        "n_action_steps": 4,
        "drop_n_last_frames": 0,
        "down_dims": (16, 32),
        "diffusion_step_embed_dim": 16,
        "n_groups": 4,
        "num_inference_steps": 2,
    },
    "tdmpc": {"cameras": 0, "n_action_steps": 1, "cem_iterations": 1, "n_gaussian_samples": 16},
}


# What a configuration would look up on the hub, did it not know it.
UNKNOWN: dict[str, dict[str, Any]] = {"eo1": {"vlm_config": {}}}


def test_the_types_are_the_ones_we_know() -> None:
    known = set(PreTrainedConfig.get_known_choices())
    assert known == CHUNKING | STEPPING | set(REFUSED)


@pytest.mark.parametrize("kind", sorted(CHUNKING))
def test_a_type_that_is_served_in_batches_predicts_chunks_and_keeps_no_history(kind: str) -> None:
    config = make_policy_config(kind, device="cpu", **UNKNOWN.get(kind, {}))
    assert why_stepwise(config) == ""
    predict = get_policy_class(kind).predict_action_chunk
    assert "batch" in inspect.signature(predict).parameters


@pytest.mark.parametrize("kind", sorted(STEPPING))
def test_a_type_with_a_memory_gets_an_instance_for_each_client_and_says_why(kind: str) -> None:
    assert why_stepwise(make_policy_config(kind, device="cpu")) != ""


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_a_type_whose_memory_cannot_be_kept_apart_is_refused_with_a_way_out(
    kind: str, tmp_path: Path
) -> None:
    make_policy_config(kind, device="cpu")._save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=f"LeRobot's {kind} cannot be served: .*lerobot-rollout"):
        load_model(f"lerobot:{tmp_path}")


def alone(folder: Path, kind: str, asked: list[dict[str, Any]], model: StepPolicy) -> np.ndarray:
    """What LeRobot's own loop of one robot does with these observations, one after the other."""
    policy = get_policy_class(kind).from_pretrained(folder)
    before, after = make_pre_post_processors(policy.config, pretrained_path=str(folder))
    policy.reset()
    loaded = model._loaded
    steps = []
    for at, each in enumerate(asked):
        torch.manual_seed(at)
        batch = before(batch_of([each], loaded.images, loaded.vectors))
        steps.append(after(policy.select_action(batch)).numpy())
    return np.stack(steps)  # (steps, 1, D)


@pytest.mark.parametrize("kind", ["act", *sorted(SMALL)])
def test_two_robots_of_a_policy_with_a_memory_do_not_disturb_each_other(
    kind: str, tmp_path: Path
) -> None:
    settings = SMALL.get(kind) or {
        **tiny_policies.SMALL_ACT,
        "n_action_steps": 1,
        "temporal_ensemble_coeff": 0.01,
    }
    folder = tiny_policies.save(tmp_path / kind, kind, **settings)
    model = load_model(f"lerobot:{folder}")
    assert isinstance(model, StepPolicy) and model.stateful
    assert model.specification["horizon"] == 1
    assert model.specification["notes"]["one_instance_a_client"]
    asked = observations(model, 12)
    robots = (asked[:6], asked[6:])
    answers: list[list[np.ndarray]] = [[], []]
    for step, pair in enumerate(zip(*robots)):
        for robot, who in enumerate(contexts(2)):
            torch.manual_seed(step)  # what is drawn must not depend on who asks
            (result,) = model.infer_batch([pair[robot]], [who])
            answers[robot].append(result["actions"])
    for robot, own in zip(robots, answers):
        np.testing.assert_allclose(np.stack(own), alone(folder, kind, robot, model), atol=1e-4)
    model.reset("c0")
    assert set(model._instances) == {"c1"}


def test_what_is_not_a_policy_is_told(act: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"has no config.json; did you mean {act}"):
        load_model(f"lerobot:{act.parent}")
    with pytest.raises(ConfigError, match="there is no folder .*user/name; .*hub=true allows"):
        load_model("lerobot:user/name")
    with pytest.raises(ConfigError, match="unknown option 'devcie': did you mean 'device'"):
        load_model(f"lerobot:{act}?devcie=cuda")
    with pytest.raises(ConfigError, match="option device=cuda:7: PyTorch cannot use it here"):
        load_model(f"lerobot:{act}?device=cuda:7")
    config = json.loads((act / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "use_peft": True}))
    with pytest.raises(ConfigError, match="merge_and_unload"):
        load_model(f"lerobot:{tmp_path}")


def test_names_and_rate_come_from_a_dataset_or_from_options(act: Path, tmp_path: Path) -> None:
    names = [f"joint_{at}.pos" for at in range(tiny_policies.DOF)]
    info = {
        "fps": 30,
        "features": {
            "action": {"dtype": "float32", "shape": [7], "names": names},
            "observation.state": {"dtype": "float32", "shape": [7], "names": {"motors": names}},
        },
    }
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text(json.dumps(info))
    told = load_model(f"lerobot:{act}?dataset={tmp_path}").specification
    assert (told["action_names"], told["control_rate_hz"]) == (names, 30.0)
    assert told["notes"]["state_names"] == names
    assert "needs" not in told["notes"]
    model = load_model(f"lerobot:{act}?action_names=a,b,c,d,e,f,g&control_rate_hz=50")
    assert isinstance(model, ChunkPolicy)
    assert model.specification["action_names"] == list("abcdefg")
    assert model.specification["control_rate_hz"] == 50.0
    assert any("state_names" in need for need in model.specification["notes"]["needs"])
    with pytest.raises(ConfigError, match="action_names: 2 names .* 7 columns of action"):
        load_model(f"lerobot:{act}?action_names=a,b")
