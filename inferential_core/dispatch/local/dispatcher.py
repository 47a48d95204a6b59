"""Models of this machine: on threads of the server's process, or in processes of their own."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from ...errors import UsageError
from ...models.caller import ModelCaller
from ...models.loading import load_model
from ..base import Batch, Dispatcher, ModelInfo, OnDone
from ..watchdog import Watchdog
from .process_lanes import ProcessLanes
from .thread_lanes import ThreadLanes

T = TypeVar("T")


class LocalDispatcher(Dispatcher):
    """Runs models on this machine, on threads or in processes of their own.

    Args:
        models: by model id a callable, an object or class with `infer` or `infer_batch`, or its
            name as `"module:attribute"`; docs/models.md has all forms.
        lanes: how many calls a model works on at once.
        max_batch: most observations that a model with `infer_batch` takes in one call.
        timeout_s: longest time of a call in s. Then its observations end as errors, and its
            thread or process is replaced. None: no limit.
        process: True, or the ids of the models that get a process for each lane. Such a model
            is named as `"module:attribute"`, or can be pickled.
        warm_up: whether every model makes a first call before the server accepts observations.

    `lanes`, `max_batch` and `timeout_s` are one value for all models, or a mapping by model id.
    Raises UsageError for an option that cannot work or an object that is no model, and
    ConfigError for a name under which there is no model.
    """

    GRACE_S = 1.0  # for models to finish what they are at, when closed

    def __init__(
        self,
        models: Mapping[str, Any],
        *,
        lanes: int | Mapping[str, int] = 1,
        max_batch: int | Mapping[str, int] = 64,
        process: bool | Collection[str] = False,
        timeout_s: float | Mapping[str, float | None] | None = 30.0,
        warm_up: bool = True,
    ) -> None:
        for name, option in (("lanes", lanes), ("max_batch", max_batch), ("timeout_s", timeout_s)):
            _check_ids(name, option if isinstance(option, Mapping) else (), models)
        in_processes = _chosen(process, models)
        self._lanes: dict[str, ThreadLanes | ProcessLanes] = {}
        self._infos: dict[str, ModelInfo] = {}
        self._watchdog = Watchdog()
        for model_id, model in models.items():
            count = _at_least_1("lanes", model_id, _of(lanes, model_id, 1))
            most = _at_least_1("max_batch", model_id, _of(max_batch, model_id, 64))
            timeout = _of(timeout_s, model_id, 30.0)
            limit_s = math.inf if timeout is None else float(timeout)
            if not limit_s > 0:
                raise UsageError(f"model {model_id!r}: timeout_s must be above 0, not {timeout}")
            made: ThreadLanes | ProcessLanes
            if model_id in in_processes:
                info = ModelInfo(model_id, lanes=count)
                made = ProcessLanes(model, info, limit_s, max_batch=most, warm_up=warm_up)
            else:
                caller = ModelCaller(
                    model_id, load_model(model) if isinstance(model, str) else model
                )
                info = _info(caller, count, most)
                made = ThreadLanes(caller, info, limit_s, warm_up)
            self._lanes[model_id] = made
            self._infos[model_id] = info

    def start(self, on_done: OnDone) -> None:
        try:
            for lanes in self._lanes.values():
                lanes.start(on_done, self._watchdog, self.leadership)
            for model_id, lanes in self._lanes.items():
                self._infos[model_id] = lanes.wait_ready()
            if self.on_change is not None:  # what is in a process is known only now
                self.on_change()
        except BaseException:  # also a Ctrl-C while models get ready
            self.close()
            raise

    def models(self) -> Mapping[str, ModelInfo]:
        return self._infos

    def submit(self, batch: Batch) -> None:
        self._lanes[batch.model_id].submit(batch)

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        self._lanes[model_id].forget(client_id, lane)

    def close(self) -> None:
        deadline = time.monotonic() + self.GRACE_S
        threads: list[threading.Thread] = []
        for lanes in self._lanes.values():
            if isinstance(lanes, ThreadLanes):
                threads.extend(lanes.dismiss())
            else:
                lanes.close()
        for thread in threads:
            if thread is not threading.current_thread():  # a model may stop the server
                thread.join(max(0.0, deadline - time.monotonic()))
        self._watchdog.close()


def _info(caller: ModelCaller, lanes: int, max_batch: int) -> ModelInfo:
    return ModelInfo(
        caller.id,
        max_batch=min((max_batch, *caller.batch_sizes[-1:])) if caller.batches else 1,
        lanes=lanes,
        one_by_one=not caller.batches,
        version=caller.version,
        specification=caller.specification,
        stateful=caller.stateful,
        batch_sizes=caller.batch_sizes,
    )


def _of(option: T | Mapping[str, T], model_id: str, default: T) -> T:
    return option.get(model_id, default) if isinstance(option, Mapping) else option


def _chosen(process: bool | Collection[str], models: Mapping[str, Any]) -> Collection[str]:
    if isinstance(process, bool):
        return models if process else ()
    if isinstance(process, str):
        process = (process,)
    _check_ids("process", process, models)
    return process


def _check_ids(option: str, ids: Collection[str], models: Mapping[str, Any]) -> None:
    for model_id in ids:
        if model_id not in models:
            raise UsageError(f"{option} for {model_id!r}, which is none of {sorted(models)}")


def _at_least_1(option: str, model_id: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"model {model_id!r}: {option} must be at least 1, not {value}")
    return value
