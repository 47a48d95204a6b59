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


class LocalDispatcher(Dispatcher):
    """`LocalDispatcher({model_id: callable or object})`, see `ModelCaller` for the forms.

    lanes: calls a model can work on at once, for all of them or by id. A model with `infer_batch`
    takes up to `max_batch` observations in one call, others one.
    """

    def __init__(
        self,
        models: Mapping[str, Any],
        *,
        lanes: int | Mapping[str, int] = 1,
        max_batch: int = 64,
    ) -> None:
        if not models:
            raise UsageError("LocalDispatcher needs at least one model: {model_id: callable}")
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
                version=caller.version,
            )

    def start(self, on_done: Callable[[Completion], None]) -> None:
        for worker in self._workers.values():
            worker.start(on_done)

    def models(self) -> Mapping[str, ModelInfo]:
        return self._infos

    def submit(self, batch: Batch) -> None:
        self._workers[batch.model_id].inbox.put(batch)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.stop()


class _Worker:
    """The lanes of one model: threads that take batches from one queue."""

    def __init__(self, model_id: str, caller: ModelCaller, lanes: int) -> None:
        self.inbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._model_id = model_id
        self._caller = caller
        self._lanes = lanes
        self._threads: list[threading.Thread] = []

    def start(self, on_done: Callable[[Completion], None]) -> None:
        for lane in range(self._lanes):
            thread = threading.Thread(
                target=self._run,
                args=(on_done,),
                name=f"inferential-model-{self._model_id}-{lane}",
                daemon=True,  # a hanging model must not keep the process alive
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, grace: float = 1.0) -> None:
        for _ in self._threads:
            self.inbox.put(None)
        deadline = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads.clear()

    def _run(self, on_done: Callable[[Completion], None]) -> None:
        while (batch := self.inbox.get()) is not None:
            inputs = [request.inputs for request in batch.requests]
            contexts = [InferenceContext.of(request) for request in batch.requests]
            begun = time.monotonic()
            try:
                results = self._caller.call(inputs, contexts)
            except BaseException as error:  # SystemExit in a model must not end its lane
                failure = RuntimeError(f"the model raised {type(error).__name__}: {error}")
                results = [failure for _ in inputs]
            on_done(Completion(batch, results, time.monotonic() - begun))
