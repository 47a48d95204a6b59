"""A batch answers what LeRobot's own server answers each robot, chunk by chunk."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import contexts, observations
from lerobot.async_inference.configs import PolicyServerConfig
from lerobot.async_inference.helpers import TimedObservation
from lerobot.async_inference.policy_server import PolicyServer
from lerobot.policies import get_policy_class, make_pre_post_processors

from inferential_core.checkpoints.lerobot.chunking import ChunkPolicy
from inferential_core.models.loading import load_model

CLOSE = 1e-4  # of float32 sums in another order, times what the actions are scaled by


class FrameworkServer:
    """LeRobot's policy server, asked without its network."""

    def __init__(self, folder: Path, kind: str, model: Any) -> None:
        self.server = server = PolicyServer(PolicyServerConfig())
        server.policy = get_policy_class(kind).from_pretrained(folder)
        server.preprocessor, server.postprocessor = make_pre_post_processors(
            server.policy.config, pretrained_path=str(folder)
        )
        server.actions_per_chunk = 1000
        self.names = {
            key: [f"{key}.{at}" for at in range(shape[0])]
            for key, shape in model._loaded.vectors.items()
        }
        server.lerobot_features = {
            **{
                key: {"dtype": "float32", "shape": (len(names),), "names": names}
                for key, names in self.names.items()
            },
            **{
                key: {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}
                for key, shape in model._loaded.images.items()
            },
        }

    def chunk(self, observation: dict[str, Any]) -> np.ndarray:
        raw: dict[str, Any] = {"task": observation["task"]}
        for key, value in observation.items():
            if key in self.names:
                raw.update(zip(self.names[key], map(float, value)))
            elif key != "task":
                raw[key.rpartition(".")[2]] = value
        asked = TimedObservation(timestamp=time.time(), observation=raw, timestep=0)
        actions = self.server._predict_action_chunk(asked)
        return torch.stack([each.get_action() for each in actions]).numpy()


@pytest.fixture(params=["act_cameras", "smolvla"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture()
def model(folder: Path, same_noise: None) -> ChunkPolicy:
    made = load_model(f"lerobot:{folder}")
    assert isinstance(made, ChunkPolicy)
    return made


def test_a_batch_answers_what_one_by_one_answers(model: ChunkPolicy) -> None:
    asked = observations(model, 5)  # cameras of five sizes, and prompts of three lengths
    together = model.infer_batch(asked, contexts(5))
    alone = [model.infer_batch([each], contexts(1))[0] for each in asked]
    for one, other in zip(together, alone):
        np.testing.assert_allclose(one["actions"], other["actions"], atol=CLOSE)


def test_a_chunk_is_that_of_the_frameworks_own_server_step_by_step(
    folder: Path, model: ChunkPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where LeRobot's server writes its log
    asked = observations(model, 3)
    server = FrameworkServer(folder, model.specification["notes"]["policy"], model)
    for ours, observation in zip(model.infer_batch(asked, contexts(3)), asked):
        theirs = server.chunk(observation)
        assert ours["actions"].shape == theirs.shape
        np.testing.assert_allclose(ours["actions"], theirs, atol=CLOSE)


def test_a_padded_batch_answers_the_same(folder: Path, model: ChunkPolicy) -> None:
    padded = load_model(f"lerobot:{folder}?batch_sizes=4,8")
    padded.warm_up()
    assert padded.batch_sizes == [4, 8]
    asked = observations(model, 3)
    answers = model.infer_batch(asked, contexts(3))
    for one, other in zip(padded.infer_batch(asked, contexts(3)), answers):
        np.testing.assert_allclose(one["actions"], other["actions"], atol=CLOSE)


def test_half_the_precision_answers_nearly_the_same(folder: Path, model: ChunkPolicy) -> None:
    asked = observations(model, 2)
    exact = model.infer_batch(asked, contexts(2))[0]["actions"]
    rough = load_model(f"lerobot:{folder}?precision=bfloat16")
    near = rough.infer_batch(asked, contexts(2))[0]["actions"]
    assert near.dtype == np.float32
    assert 0 < np.abs(near - exact).max() < 0.3


def test_the_pages_own_answer_is_that_of_the_adapter(act_cameras: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "lerobot.md"
    (text,) = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    mine: dict[str, Any] = {}
    exec(re.sub(r'DIR = ".*"', f"DIR = {str(act_cameras)!r}", text), mine)
    model = load_model(f"lerobot:{act_cameras}")
    (asked,) = observations(model, 1)
    (served,) = model.infer_batch([asked], contexts(1))
    np.testing.assert_allclose(mine["answer"](asked), served["actions"], atol=CLOSE)
