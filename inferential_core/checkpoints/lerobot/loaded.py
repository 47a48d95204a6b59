"""A policy of LeRobot with its processors, on its device, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Loaded:
    """What `loading` made of a folder.

    before, after: the checkpoint's own processors. images, vectors: shapes of the features, images
    as (C, H, W). precision: makes the context that the policy is called in.
    """

    policy: Any
    before: Callable[[Any], Any]
    after: Callable[[Any], Any]
    device: str
    images: dict[str, tuple[int, ...]]
    vectors: dict[str, tuple[int, ...]]
    precision: Callable[[], Any]
    version: str

    def example(self) -> dict[str, Any]:
        """An observation of zeros."""
        example: dict[str, Any] = {
            key: np.zeros(shape, np.float32) for key, shape in self.vectors.items()
        }
        for key, (channels, height, width) in self.images.items():
            example[key] = np.zeros((height, width, channels), np.uint8)
        return example
