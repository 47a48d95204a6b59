"""The lanes of one model in this process: threads that take batches from a queue.

All lanes of a model share one queue; those of a stateful model have one each. A call that takes
too long is given up: its batch ends, its thread is left to itself, and a new one takes its place.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable

from ..errors import ConfigError, ModelUnavailable
from .base import Batch, Completion, InferenceContext, ModelInfo, OnDone
from .calling import ModelCaller
from .watchdog import Watchdog

_log = logging.getLogger(__name__)

_Item = Batch | Callable[[], None] | None  # to answer, to call, or the end
_Inbox = queue.SimpleQueue[_Item]


class ThreadLanes:
    """See the module. timeout_s: of one call; inf: it may take for ever."""

    MOST_HANGING = 8  # threads left to themselves; then the model is given no more

    def __init__(
        self, caller: ModelCaller, info: ModelInfo, timeout_s: float, warm_up: bool
    ) -> None:
        self.info = info
        self.caller = caller
        self.timeout_s = timeout_s
        self._warm_up = warm_up
        self._run: _Run | None = None

    def start(self, on_done: OnDone, watchdog: Watchdog) -> None:
        """Begin to get ready."""
        self._run = _Run(self, on_done, watchdog)

    def wait_ready(self) -> ModelInfo:
        """The model is warm; ConfigError says why it cannot be."""
        assert self._run is not None
        self._run.warm.wait()
        if self._run.failure is not None:
            raise self._run.failure
        return self.info

    def submit(self, batch: Batch) -> None:
        assert self._run is not None
        self._run.inbox(batch.lane).put(batch)

    def forget(self, client_id: str, lane: int) -> None:
        """On the lane's own thread, after what it has been given."""
        if self._run is not None:
            self._run.inbox(lane).put(lambda: self.caller.forget(client_id))

    def dismiss(self) -> list[threading.Thread]:
        """Tell the lanes to end after what they are at; their threads, to be joined."""
        run, self._run = self._run, None
        return [] if run is None else run.dismiss()

    def prepare(self) -> None:
        """Warm the model up, on the thread that will call it."""
        if self._warm_up:
            self.caller.warm_up()


class _Run:
    """From `start` to `dismiss`. A lane that hangs at its end goes on in this one, unheard."""

    def __init__(self, lanes: ThreadLanes, on_done: OnDone, watchdog: Watchdog) -> None:
        self.lanes = lanes
        self.on_done = on_done
        self.watchdog = watchdog
        self.hanging = 0
        self.warm = threading.Event()
        self.failure: ConfigError | None = None
        count = lanes.info.lanes
        self._inboxes = [_Inbox() for _ in range(count if lanes.info.stateful else 1)]
        self._lock = threading.Lock()
        self._lanes = [_Lane(self, index) for index in range(count)]

    def inbox(self, lane: int) -> _Inbox:
        # Modulo, as a process with one lane is one of several for the server.
        return self._inboxes[lane % len(self._inboxes)]

    def dismiss(self) -> list[threading.Thread]:
        for lane in self._lanes:
            self.watchdog.unwatch(lane)
            self.inbox(lane.index).put(None)
        return [lane.thread for lane in self._lanes]

    def replace(self, lane: _Lane) -> None:
        with self._lock:
            self.hanging += 1
            self._lanes[lane.index] = _Lane(self, lane.index)
        self.watchdog.unwatch(lane)

    def came_back(self) -> None:
        with self._lock:
            self.hanging -= 1


class _Lane:
    """One thread; what it is at, and until when."""

    def __init__(self, run: _Run, index: int) -> None:
        self.index = index
        self.due = math.inf
        self.timeout_s = run.lanes.timeout_s
        self._run = run
        self._batch: Batch | None = None  # until it is answered, here or by `overdue`
        self._lock = threading.Lock()
        self._name = run.lanes.info.id
        self.thread = threading.Thread(
            target=self._work,
            name=f"inferential-model-{self._name}-{index}",
            daemon=True,  # a hanging model must not keep the process alive
        )
        if self.timeout_s < math.inf:
            run.watchdog.watch(self)
        self.thread.start()

    def overdue(self) -> None:
        with self._lock:
            if time.monotonic() < self.due:
                return  # that call was done, and this is another one
        batch = self._take()
        if batch is None:
            return
        told = f"no answer within {self.timeout_s:g} s: the call was given up"
        _log.error("model %r: %s, its thread is replaced", self._name, told)
        self._run.replace(self)
        self._run.on_done(Completion.failed(batch, ModelUnavailable(told), self.timeout_s))

    def _work(self) -> None:
        run, caller = self._run, self._run.lanes.caller
        inbox = run.inbox(self.index)
        try:
            self._prepare()
            while (item := inbox.get()) is not None:
                if not isinstance(item, Batch):
                    item()
                elif not self._answer(item):
                    run.came_back()
                    return
                item = None  # an idle lane must not keep what it observed last in memory
        finally:
            caller.end_thread()

    def _prepare(self) -> None:
        run = self._run
        if self.index == 0 and not run.warm.is_set():
            try:
                run.lanes.prepare()
            except (Exception, SystemExit) as error:
                run.failure = ConfigError(
                    f"model {self._name!r}: warming it up: {type(error).__name__}: {error}"
                )
                run.failure.__cause__ = error
            finally:
                run.warm.set()
        run.warm.wait()  # for the first lane

    def _answer(self, batch: Batch) -> bool:
        """False if the answer came too late: another thread has this one's place."""
        run = self._run
        if run.hanging >= ThreadLanes.MOST_HANGING:
            told = f"{run.hanging} calls of this model hang"
            run.on_done(Completion.failed(batch, ModelUnavailable(told)))
            return True
        begun = time.monotonic()
        with self._lock:
            self._batch = batch
            self.due = begun + self.timeout_s
        run.watchdog.began(self.due)
        inputs = [request.inputs for request in batch.requests]
        contexts = [InferenceContext.of(request) for request in batch.requests]
        results = run.lanes.caller.call(inputs, contexts)
        duration = time.monotonic() - begun
        del inputs
        if self._take() is None:
            return False
        run.on_done(Completion(batch, results, duration))
        return True

    def _take(self) -> Batch | None:
        """What the lane is at, whose answer is now given; None if it was given already."""
        with self._lock:
            self.due = math.inf
            batch, self._batch = self._batch, None
            return batch
