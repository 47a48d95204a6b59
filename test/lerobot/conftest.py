"""Policies that the tests share: each is made once, and nothing is downloaded for it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("lerobot") is None:
    pytest.skip("LeRobot is not installed: make lerobot", allow_module_level=True)
os.environ["HF_HUB_OFFLINE"] = "1"  # before it is imported
sys.path.insert(0, str(Path(__file__).parent))

import tqdm

tqdm.tqdm.monitor_interval = 0  # no thread that watches over progress bars

import tiny_policies  # noqa: E402
import tiny_vlm  # noqa: E402

from inferential_core.models.context import InferenceContext  # noqa: E402


@pytest.fixture(scope="session")
def act(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ACT of states alone."""
    return tiny_policies.save(
        tmp_path_factory.mktemp("act") / "act", "act", **tiny_policies.SMALL_ACT
    )


@pytest.fixture(scope="session")
def act_cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ACT of a state and two cameras."""
    folder = tmp_path_factory.mktemp("act_cameras") / "act"
    return tiny_policies.save(folder, "act", cameras=2, **tiny_policies.SMALL_ACT)


@pytest.fixture(scope="session")
def smolvla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SmolVLA whose backbone is a folder of a few thousand weights."""
    backbone = tiny_vlm.save(tmp_path_factory.mktemp("vlm"))
    return tiny_policies.save(
        tmp_path_factory.mktemp("smolvla") / "smolvla",
        "smolvla",
        cameras=2,
        vlm_model_name=str(backbone),
        **tiny_policies.SMALL_SMOLVLA,
    )


@pytest.fixture()
def same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """What SmolVLA's flow begins with: alike for every robot of a batch and in every call."""
    monkeypatch.setattr("lerobot.policies.smolvla.modeling_smolvla.sample_noise", _noise)


def _noise(shape: Any, device: Any) -> Any:
    import torch

    generator = torch.Generator().manual_seed(5)
    return torch.randn((1, *shape[1:]), generator=generator).expand(shape).clone()


def observations(model: Any, count: int, scale: int = 2) -> list[dict[str, Any]]:
    """Random observations of what a model specifies; cameras of `scale` times its size."""
    random = np.random.default_rng(3)
    made = []
    for at in range(count):
        observation: dict[str, Any] = {
            key: random.standard_normal(shape).astype(np.float32)
            for key, shape in model._loaded.vectors.items()
        }
        for key, (channels, height, width) in model._loaded.images.items():
            size = (scale * height + at, scale * width, channels)
            observation[key] = random.integers(0, 256, size, np.uint8)
        observation["task"] = ("pick the red cube", "push", "open the door slowly")[at % 3]
        made.append(observation)
    return made


def contexts(count: int, **told: Any) -> list[InferenceContext]:
    """Who asks: c0, c1 and so on."""
    return [InferenceContext(f"c{at}", 0, 0, at == 0, 1e9, **told) for at in range(count)]
