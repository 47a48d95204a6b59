"""LeRobot's names that our adapter uses, with a policy that is easy to compute, and so PyTorch's.

`make lerobot` checks that LeRobot has these names and takes these arguments
(test/lerobot/test_stand_in.py). Tensors are numpy arrays here; images are resized by the nearest
pixel, not bilinearly.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

TORCH = """
import contextlib
import numpy as np

float32 = np.float32


class Tensor(np.ndarray):
    def to(self, *where):
        dtypes = [each for each in where if each is float32]
        return self.astype(dtypes[0]) if dtypes else self

    def numpy(self):
        return np.asarray(self)


def from_numpy(array):
    return np.asarray(array).view(Tensor)


def empty(size, device):
    if device != "cpu":
        raise RuntimeError(f"no {device} here")


cat, stack = np.concatenate, np.stack
inference_mode = no_grad = contextlib.nullcontext


class nn:
    class functional:
        @staticmethod
        def interpolate(tensor, size, mode, align_corners):
            assert (mode, align_corners) == ("bilinear", False)
            rows, columns = (
                np.arange(want) * have // want for want, have in zip(size, tensor.shape[2:])
            )
            return tensor[:, :, rows][:, :, :, columns]
"""

CONFIGS = """
import json
import os
from types import SimpleNamespace


class PreTrainedConfig:
    @classmethod
    def get_known_choices(cls):
        return dict.fromkeys(("act", "diffusion", "lingbot_va", "smolvla", "third_party"))

    @classmethod
    def from_pretrained(cls, pretrained_name_or_path):
        assert os.environ.get("HF_HUB_OFFLINE") == "1", "it may download"
        with open(os.path.join(pretrained_name_or_path, "config.json")) as file:
            told = json.load(file)
        for features in ("input_features", "output_features"):
            told[features] = {k: SimpleNamespace(**v) for k, v in told[features].items()}
        return SimpleNamespace(**{"device": "cpu", "n_obs_steps": 1, **told})
"""

POLICIES = '''
import numpy as np

GAIN, STEPS = 2.0, 4


class PreTrainedPolicy:
    """actions[k] = GAIN * normalized state + k + mean of the images."""

    def __init__(self, config):
        self.config, self.calls = config, []
        self.reset()

    @classmethod
    def from_pretrained(cls, pretrained_name_or_path, *, config=None):
        return cls(config)

    def eval(self):
        return self

    def reset(self):
        self._states = []

    def supports_rtc(self):
        return False

    def predict_action_chunk(self, batch):
        state = batch["observation.state"]
        self.calls.append((len(state), list(batch["task"])))
        light = sum(v.mean(axis=(1, 2, 3)) for k, v in batch.items() if "images" in k)
        steps = np.arange(STEPS)[None, :, None] + np.reshape(light, (-1, 1, 1))
        return (GAIN * state[:, None, :] + steps).view(type(state))

    def select_action(self, batch):
        self._states.append(batch["observation.state"])
        del self._states[: -self.config.n_obs_steps]
        return sum(self._states) / len(self._states)


def get_policy_class(name):
    return PreTrainedPolicy


class Processor:
    def __init__(self, steps):
        self.steps = steps

    def __call__(self, data):
        for step in self.steps:
            data = step(data)
        return data


def normalize(batch):
    return {**batch, "observation.state": batch["observation.state"] - 1.0}


def make_pre_post_processors(
    policy_cfg, pretrained_path=None, preprocessor_overrides=None, postprocessor_overrides=None
):
    assert preprocessor_overrides["device_processor"]["device"] == policy_cfg.device
    assert postprocessor_overrides["device_processor"]["device"] == "cpu"
    return Processor([normalize]), Processor([lambda action: action + 100.0])
'''

FILES = {"torch": TORCH, "lerobot.configs": CONFIGS, "lerobot.policies": POLICIES}


def save(folder: Path, kind: str = "act", *, camera: bool = False, **settings: Any) -> Path:
    """A folder as LeRobot saves a policy of a state of two joints."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs: dict[str, Any] = {"observation.state": {"type": "STATE", "shape": [2]}}
    if camera:
        inputs["observation.images.front"] = {"type": "VISUAL", "shape": [3, 4, 6]}
        inputs["observation.images.empty_camera_0"] = {"type": "VISUAL", "shape": [3, 4, 6]}
    outputs = {"action": {"type": "ACTION", "shape": [2]}}
    config = {"type": kind, "input_features": inputs, "output_features": outputs, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")  # no tensor in it
    return folder
