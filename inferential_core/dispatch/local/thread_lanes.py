"""The lanes of one model in this process: threads that take batches from a queue.

All lanes of a model share one queue; those of a stateful model have one each. A call that takes
too long is given up: its batch ends, its thread is left to itself, and a new one takes its place.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from ...errors import ConfigError
from ...models.caller import ModelCaller
from ..base import NO_LEADERSHIP, Batch, Leadership, ModelInfo, OnDone
from ..watchdog import Watchdog
from .thread_lane import Lane

Item = Batch | Callable[[], None] | None  # to answer, to call, or the end
Inbox = queue.SimpleQueue[Item]


class ThreadLanes:
    """See the module. timeout_s: of one call; inf: it may take for ever."""

    def __init__(
        self, caller: ModelCaller, info: ModelInfo, timeout_s: float, warm_up: bool
    ) -> None:
        self.info = info
        self.caller = caller
        self.timeout_s = timeout_s
        self._warm_up = warm_up
        self._run: Run | None = None

    def start(self, on_done: OnDone, watchdog: Watchdog, leadership: Leadership) -> None:
        """Begin to get ready."""
        self._run = Run(self, on_done, watchdog, leadership)

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


class Run:
    """From `start` to `dismiss`. A lane that hangs at its end goes on in this one, unheard."""

    def __init__(
        self,
        lanes: ThreadLanes,
        on_done: OnDone,
        watchdog: Watchdog,
        leadership: Leadership,
    ) -> None:
        self.lanes = lanes
        self.on_done = on_done
        self.watchdog = watchdog
        own_inbox = lanes.info.stateful or lanes.info.lanes == 1
        self.leadership = leadership if own_inbox else NO_LEADERSHIP
        self.hanging = 0
        self.warm = threading.Event()
        self.failure: ConfigError | None = None
        count = lanes.info.lanes
        self._inboxes = [Inbox() for _ in range(count if lanes.info.stateful else 1)]
        self._lock = threading.Lock()
        self._lanes = [Lane(self, index) for index in range(count)]

    def inbox(self, lane: int) -> Inbox:
        # Modulo, as a process with one lane is one of several for the server.
        return self._inboxes[lane % len(self._inboxes)]

    def dismiss(self) -> list[threading.Thread]:
        for lane in self._lanes:
            self.watchdog.unwatch(lane)
            self.inbox(lane.index).put(None)
        return [lane.thread for lane in self._lanes]

    def replace(self, lane: Lane) -> None:
        with self._lock:
            self.hanging += 1
            self._lanes[lane.index] = Lane(self, lane.index)
        self.watchdog.unwatch(lane)

    def came_back(self) -> None:
        with self._lock:
            self.hanging -= 1
