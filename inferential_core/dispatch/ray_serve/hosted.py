"""A model named as `module:attribute`, as a Serve deployment. Sent to the replicas by value."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Sequence
from typing import Any

# What our calls look for in a deployment, where the model has it.
_TAKEN_OVER = ("infer", "infer_batch", "version", "specification", "stateful", "reset", "forget")


class Hosted:
    """Loads the model in the replica and passes its methods on as they are.

    A class or a function without parameters is called to make the model.
    """

    def __init__(self, target: str, paths: Sequence[str]) -> None:
        sys.path.extend(path for path in paths if path not in sys.path)
        module, _, path = target.partition(":")
        model: Any = importlib.import_module(module)
        for part in path.split("."):
            model = getattr(model, part)
        is_factory = inspect.isfunction(model) and not inspect.signature(model).parameters
        if inspect.isclass(model) or is_factory:
            model = model()
        for name in _TAKEN_OVER:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        if not hasattr(model, "infer") and not hasattr(model, "infer_batch"):
            self.infer = model if inspect.isroutine(model) else model.__call__
        if callable(getattr(model, "warm_up", None)):
            model.warm_up()
