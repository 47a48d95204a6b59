"""The options of a model on this machine, and the lanes that they make."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeVar

from ...errors import UsageError
from ...models.caller import ModelCaller
from ...models.loading import load_model
from ...process.users_code import Foreign
from ...suggestion import nearest
from ..base import ModelInfo
from .process_lanes import ProcessLanes
from .thread_lanes import ThreadLanes

T = TypeVar("T")
Lanes = ThreadLanes | ProcessLanes


class ModelOptions(NamedTuple):
    """Of one model; `LocalDispatcher` says what they mean."""

    lanes: int = 1
    max_batch: int = 64
    process: bool = False
    timeout_s: float | None = 30.0
    warm_up: bool = True

    def changed(self, model_id: str, given: Mapping[str, Any]) -> ModelOptions:
        """These, but for those given; UsageError names one that cannot be."""
        for name in given:
            if name not in self._fields:
                raise UsageError(f"model {model_id!r}: {name!r}: {nearest(name, self._fields)}")
        return self._replace(**given).checked(model_id)

    def checked(self, model_id: str) -> ModelOptions:
        """These; UsageError names one that cannot work."""
        for name, value in (("lanes", self.lanes), ("max_batch", self.max_batch)):
            if not (_is(Integral, value) and value >= 1):
                raise UsageError(f"model {model_id!r}: {name} must be at least 1, not {value!r}")
        if not (_is(Real, self.timeout_s or 1.0) and self.limit_s > 0):
            told = f"timeout_s must be above 0, not {self.timeout_s!r}"
            raise UsageError(f"model {model_id!r}: {told}")
        return self

    @property
    def limit_s(self) -> float:
        """Longest time of a call; inf where there is no limit."""
        return math.inf if self.timeout_s is None else float(self.timeout_s)


def options_by_id(
    models: Mapping[str, Foreign[Any]],
    lanes: int | Mapping[str, int],
    max_batch: int | Mapping[str, int],
    process: bool | Collection[str],
    timeout_s: float | Mapping[str, float | None] | None,
    warm_up: bool,
) -> dict[str, ModelOptions]:
    """The options of each model, of values that may be for all or by id; UsageError names one."""
    if not _is(Mapping, models):
        kind = type(models).__name__
        raise UsageError(f"models must be given by their ids, as {{'policy': policy}}, not {kind}")
    for model_id in models:
        if not isinstance(model_id, str) or not model_id:
            raise UsageError(f"the id of a model is a text that is not empty, not {model_id!r}")
    for name, option in (("lanes", lanes), ("max_batch", max_batch), ("timeout_s", timeout_s)):
        check_ids(name, option if isinstance(option, Mapping) else (), models)
    chosen = (process,) if isinstance(process, str) else process
    if not isinstance(chosen, bool):
        check_ids("process", chosen, models)
    return {
        model_id: options_of(model_id, lanes, max_batch, chosen, timeout_s, warm_up)
        for model_id in models
    }


def options_of(
    model_id: str,
    lanes: int | Mapping[str, int],
    max_batch: int | Mapping[str, int],
    process: bool | Collection[str],
    timeout_s: float | Mapping[str, float | None] | None,
    warm_up: bool,
) -> ModelOptions:
    """The options of one model, likewise."""
    default = ModelOptions()
    return ModelOptions(
        _of(lanes, model_id, default.lanes),
        _of(max_batch, model_id, default.max_batch),
        process if isinstance(process, bool) else model_id in process,
        _of(timeout_s, model_id, default.timeout_s),
        warm_up,
    ).checked(model_id)


def make_lanes(
    model_id: str, model: Foreign[Any], options: ModelOptions
) -> tuple[Lanes, ModelInfo]:
    """Lanes that are not started yet, and what is known of the model by now.

    ConfigError where there is no model of this name, UsageError where it is none.
    """
    if options.process:
        info = ModelInfo(model_id, lanes=options.lanes)
        most, warm_up = options.max_batch, options.warm_up
        return ProcessLanes(model, info, options.limit_s, max_batch=most, warm_up=warm_up), info
    caller = ModelCaller(model_id, load_model(model) if issubclass(type(model), str) else model)
    info = _info(caller, options.lanes, options.max_batch)
    return ThreadLanes(caller, info, options.limit_s, options.warm_up), info


def _info(caller: ModelCaller, lanes: int, max_batch: int) -> ModelInfo:
    return ModelInfo(
        caller.id,
        max_batch=min((max_batch, *caller.batch_sizes[-1:])) if caller.batches else 1,
        lanes=lanes,
        one_by_one=not caller.batches,
        version=caller.version,
        specification=caller.specification,
        reads_pixels=True,
        stateful=caller.stateful,
        batch_sizes=caller.batch_sizes,
    )


def _is(kind: type, given: Any) -> bool:
    """Whether what a program gives is what the types say, which nobody may have checked."""
    return isinstance(given, kind)


def _of(option: T | Mapping[str, T], model_id: str, default: T) -> T:
    return option.get(model_id, default) if isinstance(option, Mapping) else option


def check_ids(option: str, ids: Collection[str], models: Collection[str]) -> None:
    """UsageError where an option is given for an id that is none of these."""
    for model_id in ids:
        if model_id not in models:
            raise UsageError(f"{option} for {model_id!r}, which is none of {sorted(models)}")
