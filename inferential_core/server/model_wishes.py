"""What a changed configuration wishes of the models that a server runs."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.schema import InferentialConfig
from ..dispatch.base import LOADING, REPLACING, UNLOADING, Dispatcher
from .model_changes import Wish


def wishes(
    before: InferentialConfig, after: InferentialConfig, dispatcher: Dispatcher
) -> Iterator[Wish]:
    """One for each model of `dispatch.models` that differs, by its name or by its options.

    Models of the dispatcher that are not in the configuration stay as they are.
    """
    served, options_in = dispatcher.models(), dispatcher.options_in
    old, new = before.dispatch.models, after.dispatch.models
    for model_id in old:
        if model_id not in new and model_id in served:
            yield Wish(UNLOADING, model_id)
    for model_id, target in new.items():
        if model_id not in old:
            kind = REPLACING if model_id in served else LOADING
            yield Wish(kind, model_id, target, options_in(after, model_id))
        elif model_id in served:
            was, options = options_in(before, model_id), options_in(after, model_id)
            differing = {name: it for name, it in options.items() if it != was[name]}
            if target != old[model_id] or differing:
                yield Wish(REPLACING, model_id, target, differing)
