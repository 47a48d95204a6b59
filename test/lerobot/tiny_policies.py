"""Small policies of LeRobot with random weights, saved as training saves them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies import make_pre_post_processors
from lerobot.policies.factory import get_policy_class, make_policy_config

STATE, ENVIRONMENT, ACTION = "observation.state", "observation.environment_state", "action"
FRONT, WRIST = "observation.images.front", "observation.images.wrist"

DOF = 7
# One encoder layer each, of few channels: a call takes milliseconds.
SMALL_ACT = {
    "dim_model": 32,
    "dim_feedforward": 64,
    "n_heads": 4,
    "n_encoder_layers": 1,
    "n_vae_encoder_layers": 1,
    "pretrained_backbone_weights": None,
    "chunk_size": 20,
    "n_action_steps": 20,
}
SMALL_SMOLVLA = {
    "num_vlm_layers": 2,
    "chunk_size": 16,
    "n_action_steps": 16,
    "resize_imgs_with_padding": (32, 32),
    "num_steps": 4,
    "max_state_dim": 8,
    "max_action_dim": 8,
}


def features(cameras: int, size: tuple[int, int]) -> dict[str, PolicyFeature]:
    """A state, and so many cameras; without a camera the state of the environment."""
    taken = {STATE: PolicyFeature(FeatureType.STATE, (DOF,))}
    for name in (FRONT, WRIST)[:cameras]:
        taken[name] = PolicyFeature(FeatureType.VISUAL, (3, *size))
    if not cameras:
        taken[ENVIRONMENT] = PolicyFeature(FeatureType.ENV, (5,))
    return taken


def statistics(inputs: Mapping[str, PolicyFeature]) -> dict[str, dict[str, torch.Tensor]]:
    """Of a dataset that never was; none is 0 or 1, so that a forgotten normalizer shows."""
    found = {ACTION: _of(DOF, 0.5)}
    for key, feature in inputs.items():
        if feature.type is FeatureType.VISUAL:
            found[key] = {"mean": torch.full((3, 1, 1), 0.4), "std": torch.full((3, 1, 1), 0.3)}
        else:
            found[key] = _of(feature.shape[0], 0.2)
    return found


def _of(size: int, mean: float) -> dict[str, torch.Tensor]:
    rising = torch.arange(float(size))
    return {
        "mean": mean + 0.1 * rising,
        "std": 0.5 + 0.1 * rising,
        "min": -1.0 - 0.1 * rising,
        "max": 1.5 + 0.2 * rising,
    }


def save(
    folder: Path,
    kind: str,
    *,
    cameras: int = 0,
    size: tuple[int, int] = (48, 64),
    **settings: Any,
) -> Path:
    """A policy of this type with random weights and its processors."""
    torch.manual_seed(7)
    inputs = features(cameras, size)
    config = make_policy_config(
        kind,
        input_features=inputs,
        output_features={ACTION: PolicyFeature(FeatureType.ACTION, (DOF,))},
        device="cpu",
        **settings,
    )
    policy = get_policy_class(kind)(config)
    policy.save_pretrained(folder)
    for pipeline in make_pre_post_processors(config, dataset_stats=statistics(inputs)):
        pipeline.save_pretrained(folder)
    return folder
