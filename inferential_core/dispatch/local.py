"""Models in this process, each on worker threads of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError
from .base import Batch, Completion, Dispatcher, InferenceContext, ModelInfo
from .calling import ModelCaller

_Inbox = queue.SimpleQueue[Batch | None]


class LocalDispatcher(Dispatcher):
    """`LocalDispatcher({model_id: callable or object})`, see `ModelCaller` for the forms.

    lanes: calls a model can work on at once, for all of them or by id. A model with `infer_batch`
    takes up to `max_batch` observations in one call, others one.
    """

    GRACE_S = 1.0  # for models to finish what they are at, when closed

    def __init__(
        self,
        models: Mapping[str, Any],
        *,
        lanes: int | Mapping[str, int] = 1,
        max_batch: int = 64,
    ) -> None:
        if max_batch < 1:
            raise UsageError(f"max_batch must be at least 1, not {max_batch}")
        for model_id in () if isinstance(lanes, int) else lanes:
            if model_id not in models:
                raise UsageError(f"lanes for {model_id!r}, which is none of {sorted(models)}")
        self._workers: dict[str, _Worker] = {}
        self._infos: dict[str, ModelInfo] = {}
        for model_id, model in models.items():
            caller = ModelCaller(model_id, model)
            count = lanes if isinstance(lanes, int) else lanes.get(model_id, 1)
            if count < 1:
                raise UsageError(f"model {model_id!r}: lanes must be at least 1, not {count}")
            self._workers[model_id] = _Worker(model_id, caller, count)
            self._infos[model_id] = ModelInfo(
                model_id,
                max_batch=max_batch if caller.batches else 1,
                lanes=count,
                one_by_one=not caller.batches,
                version=caller.version,
                specification=caller.specification,
            )

    def start(self, on_done: Callable[[Completion], None]) -> None:
        for worker in self._workers.values():
            worker.start(on_done)

    def models(self) -> Mapping[str, ModelInfo]:
        return self._infos

    def submit(self, batch: Batch) -> None:
        self._workers[batch.model_id].inbox.put(batch)

    def close(self) -> None:
        deadline = time.monotonic() + self.GRACE_S
        threads = [thread for worker in self._workers.values() for thread in worker.dismiss()]
        for thread in threads:
            if thread is not threading.current_thread():  # a model may stop the server
                thread.join(max(0.0, deadline - time.monotonic()))


class _Worker:
    """The lanes of one model: threads that take batches from one queue."""

    def __init__(self, model_id: str, caller: ModelCaller, lanes: int) -> None:
        self.inbox = _Inbox()
        self._model_id = model_id
        self._caller = caller
        self._lanes = lanes
        self._threads: list[threading.Thread] = []

    def start(self, on_done: Callable[[Completion], None]) -> None:
        # A new inbox: a lane that hung when it was dismissed goes on with the old one.
        self.inbox = _Inbox()
        for lane in range(self._lanes):
            thread = threading.Thread(
                target=self._run,
                args=(self.inbox, on_done),
                name=f"inferential-model-{self._model_id}-{lane}",
                daemon=True,  # a hanging model must not keep the process alive
            )
            thread.start()
            self._threads.append(thread)

    def dismiss(self) -> list[threading.Thread]:
        """Tell the lanes to end after what they are at; the threads, to be joined."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self.inbox.put(None)
        return threads

    def _run(self, inbox: _Inbox, on_done: Callable[[Completion], None]) -> None:
        try:
            while (batch := inbox.get()) is not None:
                on_done(self._serve(batch))
                batch = None  # an idle lane must not keep what it observed last in memory
        finally:
            self._caller.end_thread()

    def _serve(self, batch: Batch) -> Completion:
        inputs = [request.inputs for request in batch.requests]
        contexts = [InferenceContext.of(request) for request in batch.requests]
        begun = time.monotonic()
        results = self._caller.call(inputs, contexts)
        return Completion(batch, results, time.monotonic() - begun)
