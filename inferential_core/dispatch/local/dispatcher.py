"""Models of this machine: on threads of the server's process, or in processes of their own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import ModelUnavailable, UsageError
from ...log.waiting import waiting
from ...process.users_code import Foreign
from ..base import Batch, Completion, Dispatcher, ModelInfo, OnDone
from ..watchdog import Watchdog
from .model_change import LocalChange, ServedModel
from .options import Lanes, ModelOptions, options_by_id, options_of

if TYPE_CHECKING:
    from ...config.schema import InferentialConfig

_log = logging.getLogger(__name__)


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

    changes_models = True
    GRACE_S = 1.0  # for models to finish what they are at, when closed

    def __init__(
        self,
        models: Mapping[str, Foreign[Any]],
        *,
        lanes: int | Mapping[str, int] = 1,
        max_batch: int | Mapping[str, int] = 64,
        process: bool | Collection[str] = False,
        timeout_s: float | Mapping[str, float | None] | None = 30.0,
        warm_up: bool = True,
    ) -> None:
        options = options_by_id(models, lanes, max_batch, process, timeout_s, warm_up)
        # Replaced as a whole where it changes: the server reads it meanwhile.
        self._served: dict[str, ServedModel] = {
            model_id: ServedModel.of(model_id, model, options[model_id])
            for model_id, model in models.items()
        }
        self._aside: set[Lanes] = set()  # of models that are not served yet, or no more
        self._watchdog = Watchdog()
        self._on_done: OnDone | None = None  # from `start` to `close`

    def remember(self, sources: Mapping[str, str]) -> None:
        """Note by which names models, given as objects, can be made again."""
        self._served = {
            model_id: served.named(sources.get(model_id, ""))
            for model_id, served in self._served.items()
        }

    def start(self, on_done: OnDone) -> None:
        self._on_done = on_done
        try:
            for served in self._served.values():
                assert served.lanes is not None
                served.lanes.start(on_done, self._watchdog, self.leadership)
            for model_id, served in list(self._served.items()):
                with waiting(_log.info, f"the server waits until model {model_id!r} is ready"):
                    self.put(model_id, served.ready())
            if self.on_change is not None:  # what is in a process is known only now
                self.on_change()
        except BaseException:  # also a Ctrl-C while models get ready
            self.close()
            raise

    def models(self) -> Mapping[str, ModelInfo]:
        return {model_id: served.info for model_id, served in self._served.items()}

    def submit(self, batch: Batch) -> None:
        served = self._served[batch.model_id]
        if served.lanes is not None:
            served.lanes.submit(batch)
        else:  # it was unloaded, and its successor failed
            error = ModelUnavailable(served.info.unavailable)
            failed = Completion.failed(batch, error)
            threading.Thread(target=self._on_done, args=(failed,), daemon=True).start()

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        served = self._served.get(model_id)
        if served is not None and served.lanes is not None:
            served.lanes.forget(client_id, lane)

    def change(
        self,
        model_id: str,
        model: Foreign[Any] = None,
        options: Mapping[str, Any] | None = None,
        unload_first: bool = False,
    ) -> LocalChange:
        served = self._served.get(model_id)
        before = ModelOptions() if served is None else served.options
        changed = before.changed(model_id, options or {})
        return LocalChange(self, model_id, model, changed, unload_first)

    def options_in(self, config: InferentialConfig, model_id: str) -> Mapping[str, Any]:
        it = config.local
        options = options_of(
            model_id, it.lanes, it.max_batch, it.process, it.timeout_s, it.warm_up
        )
        return options._asdict()

    def close(self) -> None:
        self._on_done = None
        deadline = time.monotonic() + self.GRACE_S
        threads: list[threading.Thread] = []
        served = [each.lanes for each in self._served.values() if each.lanes is not None]
        for lanes in (*served, *self._aside):
            threads.extend(lanes.dismiss())
        for thread in threads:
            if thread is not threading.current_thread():  # a model may stop the server
                thread.join(max(0.0, deadline - time.monotonic()))
        self._watchdog.close()

    # --- for changes ---

    def served(self, model_id: str) -> ServedModel | None:
        """What is served under this id."""
        return self._served.get(model_id)

    def put(self, model_id: str, served: ServedModel | None) -> None:
        """Serve this under the id from now on; None: nothing."""
        if served is not None:
            self._served = {**self._served, model_id: served}
            if served.lanes is not None:
                self._aside.discard(served.lanes)
        else:
            self._served = {name: it for name, it in self._served.items() if name != model_id}

    def begin_lanes(self, lanes: Lanes) -> None:
        """Start lanes beside those that serve. UsageError where the dispatcher was closed."""
        self._aside.add(lanes)
        if self._on_done is None:
            self._aside.discard(lanes)
            raise UsageError("the server stops")
        lanes.start(self._on_done, self._watchdog, self.leadership)

    def end_lanes(self, lanes: Lanes, finish: bool) -> None:
        """End lanes that serve no more; finish: after what they are at."""
        self._aside.add(lanes)
        if finish:
            lanes.retire()
        else:
            lanes.dismiss()
        self._aside.discard(lanes)
