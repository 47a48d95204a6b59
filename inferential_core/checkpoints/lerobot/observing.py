"""Turns the observations of several robots into the batch that LeRobot's preprocessor takes.

The form is that of LeRobot's own server (async_inference/helpers.py, 0.6.1): images float32
(B, C, H, W) in [0, 1], of the size of the policy's features, resized bilinearly on the raw values;
states float32 (B, D); the task a list of B texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

TASK = "task"


def batch_of(
    observations: Sequence[Mapping[str, Any]],
    images: Mapping[str, tuple[int, ...]],
    vectors: Mapping[str, tuple[int, ...]],
) -> dict[str, Any]:
    """One tensor for each key, on the CPU.

    images, vectors: the shape of each of the policy's features, images as (C, H, W).
    """
    batch: dict[str, Any] = {}
    for key in vectors:
        rows = np.stack([np.asarray(each[key], np.float32) for each in observations])
        batch[key] = torch.from_numpy(rows)
    for key, (_, height, width) in images.items():
        batch[key] = _images([each[key] for each in observations], (height, width))
    batch[TASK] = [str(each.get(TASK, "")) for each in observations]
    return batch


def _images(pictures: Sequence[np.ndarray], size: tuple[int, int]) -> Any:
    """(H, W, C) or (H, W) each, of any sizes -> float32 (B, C, *size)."""
    shaped = [each if each.ndim == 3 else each[..., None] for each in pictures]
    if len({each.shape for each in shaped}) == 1:
        return _scaled(np.stack(shaped), size)
    return torch.cat([_scaled(each[None], size) for each in shaped])


def _scaled(pictures: np.ndarray, size: tuple[int, int]) -> Any:
    tensor = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    if tuple(tensor.shape[2:]) != size:
        tensor = torch.nn.functional.interpolate(
            tensor, size=size, mode="bilinear", align_corners=False
        )
    return tensor.to(torch.float32) / 255 if pictures.dtype == np.uint8 else tensor
