"""A model named as `module:attribute`, as a Serve deployment. Sent to the replicas by value."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from ...models.loading import load_model

# What our calls look for in a deployment, where the model has it.
_TAKEN_OVER = (
    *("infer", "infer_batch", "version", "specification", "stateful", "nested"),
    *("batch_sizes", "reset", "forget"),
)


class Hosted:
    """Loads the model in the replica and passes its methods on as they are."""

    async def __init__(self, target: str, paths: Sequence[str]) -> None:  # type: ignore[misc]
        sys.path.extend(path for path in paths if path not in sys.path)
        model = load_model(target)
        for name in _TAKEN_OVER:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        if not hasattr(model, "infer") and not hasattr(model, "infer_batch"):
            self.infer = model if inspect.isroutine(model) else model.__call__
        if callable(getattr(model, "warm_up", None)):
            warmed_up = model.warm_up()
            if inspect.isawaitable(warmed_up):
                await warmed_up
