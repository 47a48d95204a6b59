"""The dispatcher of the one model in a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...models.loading import load_model, made
from ...process.users_code import Guarded
from .dispatcher import LocalDispatcher


def host(
    model_id: str, max_batch: int, warm_up: bool, target: str = "", model: Guarded[Any] = None
) -> LocalDispatcher:
    """A dispatcher of the model that `target` names, or else of `model`."""
    loaded: Mapping[str, Any] = {model_id: load_model(target) if target else made(model)}
    return LocalDispatcher(loaded, max_batch=max_batch, warm_up=warm_up, timeout_s=None)
