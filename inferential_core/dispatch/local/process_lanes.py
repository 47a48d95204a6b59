"""The lanes of one model as child processes: for models that hold the interpreter's lock.

A process that dies costs the batch it was at; one that takes too long is killed. Either is started
again while the other lanes go on.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import ModelUnavailable
from ...process.users_code import Foreign
from ..base import Batch, Completion, Leadership, ModelInfo, OnDone
from ..watchdog import Watchdog
from ..worker import WorkerProcess

_log = logging.getLogger(__name__)

# What runs in each process; by its name, as it uses the same dispatcher as this one does.
_HOST = "inferential_core.dispatch.local.worker_host:host"


class ProcessLanes:
    """model: `module:attribute`, or what can be pickled: a class, a factory or the model itself.

    timeout_s: of one call; inf: it may take for ever.
    """

    def __init__(
        self,
        model: Foreign[Any],
        info: ModelInfo,
        timeout_s: float,
        *,
        max_batch: int,
        warm_up: bool,
    ) -> None:
        self.info = info
        self.timeout_s = timeout_s
        options = {"model_id": info.id, "max_batch": max_batch, "warm_up": warm_up}
        named = issubclass(type(model), str)
        self._lanes = [
            _Lane(
                self,
                WorkerProcess(
                    _HOST,
                    {**options, "target": model} if named else options,
                    pickled=None if named else {"model": model},
                    name=f"model {info.id!r}",
                    family=True,
                ),
            )
            for _ in range(info.lanes)
        ]
        self._lock = threading.Condition()  # notified when a lane is idle again
        self._waiting: deque[Batch] = deque()  # while the lane they were meant for is down
        self._on_done: OnDone = _ignore
        self._watchdog = Watchdog()

    def start(self, on_done: OnDone, watchdog: Watchdog, leadership: Leadership) -> None:
        """Begin to get ready: all processes at once. None has a thread here that could lead."""
        self._on_done = on_done
        self._watchdog = watchdog
        for lane in self._lanes:
            lane.start(watchdog)

    def wait_ready(self) -> ModelInfo:
        """All of them are; ConfigError says why one is not."""
        for lane in self._lanes:
            found = lane.child.wait_ready()[self.info.id]
            self.info = replace(found, lanes=len(self._lanes), replicas=len(self._lanes))
        return self.info

    def submit(self, batch: Batch) -> None:
        """Have a lane work on a batch: its own where the model is stateful, else a free one."""
        if self.info.stateful:
            self._lanes[batch.lane].submit(batch)
            return
        with self._lock:
            lane = self._idle()
            if lane is not None:
                lane.batch = batch
            elif any(each.batch is not None for each in self._lanes):
                self._waiting.append(batch)
                return
        (lane or self._lanes[0]).submit(batch)  # which refuses it where all are down

    def forget(self, client_id: str, lane: int) -> None:
        """Have a stateful model drop what it keeps of a client on that lane."""
        self._lanes[lane].child.forget(self.info.id, client_id, lane)

    def retire(self) -> None:
        """End the processes after what they are at; returns when they are gone."""
        with self._lock:
            self._lock.wait_for(lambda: not self._waiting and self._all_idle())
        self.dismiss()

    def _all_idle(self) -> bool:
        return all(lane.batch is None for lane in self._lanes)

    def dismiss(self) -> list[threading.Thread]:
        """End the processes; what they are at ends ModelUnavailable. No thread is left."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        threads = [threading.Thread(target=lane.close) for lane in self._lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for batch in waiting:
            self._on_done(Completion.failed(batch, ModelUnavailable("the server stops")))
        return []

    def done(self, lane: _Lane, completion: Completion) -> None:
        """A lane is idle again."""
        with self._lock:
            if lane.batch is completion.batch:
                lane.batch = None
            after = self._next(lane)
            self._lock.notify_all()
        for each, batch in after:
            each.submit(batch)
        self._on_done(completion)

    def came_up(self, lane: _Lane) -> None:
        """A lane may take what waits."""
        with self._lock:
            after = self._next(lane)
        for each, batch in after:
            each.submit(batch)

    def _next(self, lane: _Lane) -> list[tuple[_Lane, Batch]]:
        if not self._waiting:
            return []
        if lane.child.up and lane.batch is None:
            lane.batch = self._waiting.popleft()
            return [(lane, lane.batch)]
        if any(each.batch is not None for each in self._lanes):
            return []  # another one will come for it
        waiting, self._waiting = self._waiting, deque()
        return [(lane, batch) for batch in waiting]  # all are down: refused

    def _idle(self) -> _Lane | None:
        for lane in self._lanes:
            if lane.batch is None and lane.child.up:
                return lane
        return None


class _Lane:
    """One process; what it is at, and until when."""

    def __init__(self, lanes: ProcessLanes, child: WorkerProcess) -> None:
        self.child = child
        self.batch: Batch | None = None
        self.due = math.inf
        self.timeout_s = lanes.timeout_s
        self._lock = threading.Lock()  # so that no batch loses its time limit to the one before
        self._lanes = lanes
        self._watchdog = Watchdog()
        self._begun = 0.0

    def start(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        if self.timeout_s < math.inf:
            watchdog.watch(self)
        self.child.launch(self._done, self._event)

    def submit(self, batch: Batch) -> None:
        with self._lock:
            self.batch = batch
            self._begun = time.monotonic()
            self.due = self._begun + self.timeout_s
        self.child.submit(batch)
        self._watchdog.began(self.due)

    def overdue(self) -> None:
        with self._lock:
            if time.monotonic() < self.due:
                return  # that was done, and this is another one
            batch, self.due = self.batch, math.inf
        reason = f"no answer within {self.timeout_s:g} s: the call was given up"
        if batch is not None and self.child.cancel(batch, ModelUnavailable(reason)):
            _log.error("%s: %s, its process is replaced", self.child.name, reason)
            self.child.kill(reason)

    def _event(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "up":
            self._lanes.came_up(self)

    def close(self) -> None:
        self._watchdog.unwatch(self)
        self.child.close()

    def _done(self, completion: Completion) -> None:
        self.due = math.inf
        completion.duration = time.monotonic() - self._begun  # as long as the lane was taken
        self._lanes.done(self, completion)


def _ignore(completion: Completion) -> None:
    """Before it is started there is nothing to complete."""
