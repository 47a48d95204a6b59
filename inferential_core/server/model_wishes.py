"""What a changed configuration wishes of the models that a server runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ..config.schema import InferentialConfig
from ..dispatch.base import LOADING, REPLACING, UNLOADING
from .model_changes import Wish

_BY_ID = ("lanes", "max_batch", "timeout_s")  # options of `local` that may be mappings by model id
_DEFAULTS = {"lanes": 1, "max_batch": 64, "timeout_s": 30.0}


def wishes(
    before: InferentialConfig, after: InferentialConfig, served: Collection[str]
) -> Iterator[Wish]:
    """One for each model of `dispatch.models` that differs, by its name or by its options.

    served: ids of the models that run. Models that are not in the configuration stay as they are.
    """
    old, new = before.dispatch.models, after.dispatch.models
    for model_id in old:
        if model_id not in new and model_id in served:
            yield Wish(UNLOADING, model_id)
    for model_id, target in new.items():
        if model_id not in old:
            kind = REPLACING if model_id in served else LOADING
            yield Wish(kind, model_id, target, _options(after, model_id))
        elif model_id in served:
            was, options = _options(before, model_id), _options(after, model_id)
            differing = {name: it for name, it in options.items() if it != was[name]}
            if target != old[model_id] or differing:
                yield Wish(REPLACING, model_id, target, differing)


def _options(config: InferentialConfig, model_id: str) -> dict[str, Any]:
    """The options of one model, as the section `local` has them."""
    local = config.local
    options: dict[str, Any] = {}
    for name in _BY_ID:
        value = getattr(local, name)
        if isinstance(value, dict):
            value = value.get(model_id, _DEFAULTS[name])
        options[name] = value
    return {**options, "process": model_id in local.process, "warm_up": local.warm_up}
