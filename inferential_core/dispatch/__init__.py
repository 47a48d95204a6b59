"""Where models run. `base` is the interface, `local` runs them in this process."""

from .base import Batch, Completion, Dispatcher, InferenceContext, ModelInfo
from .local.dispatcher import LocalDispatcher

__all__ = [
    "Batch",
    "Completion",
    "Dispatcher",
    "InferenceContext",
    "LocalDispatcher",
    "ModelInfo",
]
