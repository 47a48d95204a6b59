"""Finds the form of a user's model: a function, an object with `infer` or with `infer_batch`, ...

This module is also sent to Ray's replicas by value: it imports the standard library, `errors` and
`users_code`, and nothing else.
"""

from __future__ import annotations

import inspect
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError, text_of
from ..process.users_code import Foreign, Guarded

Function = Callable[..., Any]
LISTS = "lists"  # of what is nested, a model wants the lists of texts alone


class ModelForm:
    """How a model is called, found out once.

    A model is a function, an object that is callable, or one with `infer` or `infer_batch`; sync
    or async; with or without the context argument. It may have, beside: `version`,
    `specification`, `stateful`, `nested`, `batch_sizes`, `warm_up()`, `reset(client_id)`,
    `forget(client_id)`.

    named_only: it must have `infer` or `infer_batch`. UsageError says why it is no model.
    """

    def __init__(self, model: Guarded[Any], named_only: bool = False) -> None:
        self._model: Foreign[Any] = model
        self.batches = callable(getattr(model, "infer_batch", None))
        self.function = _function(model, named_only)
        self.takes_context = _accepts_second(self.function)
        self.asynchronous = _is_asynchronous(self.function)
        self.decodes = bool(getattr(self.function, "decodes", False))
        self.specification = _specification(model)
        self.stateful = bool(getattr(model, "stateful", False))
        self.nested = _nested(model)
        self.batch_sizes = _batch_sizes(model, self.batches and not self.stateful)
        self.reset = _method(model, "reset")
        self.forget = _method(model, "forget") or self.reset
        self.warm_up = _method(model, "warm_up")

    @property
    def version(self) -> str:
        """What the model says its version is now; a deployment may change it at run time."""
        try:
            version = getattr(self._model, "version", None)
            return "" if version is None else str(version)
        except BaseException:  # it is served, whatever it says of itself
            return ""


def _nested(model: Guarded[Any]) -> bool | str:
    nested = getattr(model, "nested", False)
    if nested not in (True, False, LISTS):
        raise UsageError(f"nested must be True, False or {LISTS!r}, not {nested!r}")
    found: bool | str = nested
    return found


def _batch_sizes(model: Guarded[Any], allowed: bool) -> tuple[int, ...]:
    """The sizes of batch that a model takes, smallest first; none where it takes any."""
    declared = getattr(model, "batch_sizes", None)
    if declared is None:
        return ()
    try:
        sizes = tuple(sorted(operator.index(size) for size in declared))
    except TypeError:
        sizes = ()
    if not sizes or sizes[0] < 1 or len(set(sizes)) < len(sizes):
        raise UsageError(
            "batch_sizes must be a list of different whole numbers of at least 1, such as"
            f" [1, 2, 4, 8], not {declared!r}"
        )
    if not allowed:
        raise UsageError(
            "batch_sizes is for a model with infer_batch that is not stateful: a batch is padded"
            " with copies, and a copy would be one step too many for a state"
        )
    return sizes


def _function(model: Guarded[Any], named_only: bool) -> Foreign[Function]:
    for name in ("infer_batch", "infer"):
        method = _method(model, name)
        if method is not None:
            return method
    if named_only:
        kind = getattr(model, "__name__", type(model).__name__)
        raise UsageError(f"{kind} has neither infer(obs) nor infer_batch(list_of_obs)")
    if not callable(model):
        raise UsageError(
            f"{type(model).__name__} is not callable and has no infer(obs) or"
            " infer_batch(list_of_obs)"
        )
    function: Function = model
    return function


def _method(model: Guarded[Any], name: str) -> Foreign[Function | None]:
    found = getattr(model, name, None)
    return found if callable(found) else None


def _accepts_second(function: Guarded[Function]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in functions may have no signature
        return False
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    # A second parameter with a default is an option of the function's own, unless it says so.
    return len(positional) >= 2 and (
        positional[1].default is inspect.Parameter.empty or positional[1].name == "context"
    )


def _is_asynchronous(function: Guarded[Function]) -> bool:
    return any(
        inspect.iscoroutinefunction(inspect.unwrap(each))
        for each in (function, getattr(function, "__call__", function))  # noqa: B004
    )


def _specification(model: Guarded[Any]) -> Mapping[str, Any]:
    """What a model declares as `specification`, as JSON carries it."""
    try:
        carried = json.loads(json.dumps(getattr(model, "specification", None) or {}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"specification: it cannot be told as JSON: {text_of(error)}") from None
    if not isinstance(carried, dict):
        raise UsageError(
            f"specification must be a mapping, not {type(model.specification).__name__}"
        )
    return carried
