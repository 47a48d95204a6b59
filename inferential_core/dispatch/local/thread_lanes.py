"""The lanes of one model in this process: threads that take batches from a queue.

All lanes of a model share one queue; those of a stateful model have one each. A call that takes
too long is given up: its batch ends, its thread is left to itself, and a new one takes its place.
"""

from __future__ import annotations

import threading

from ...models.caller import ModelCaller
from ..base import Batch, Leadership, ModelInfo, OnDone
from ..watchdog import Watchdog
from .thread_lane import Run


class ThreadLanes:
    """See the module. timeout_s: of one call; inf: it may take for ever."""

    def __init__(
        self, caller: ModelCaller, info: ModelInfo, timeout_s: float, warm_up: bool
    ) -> None:
        self.info = info
        self._caller = caller
        self.timeout_s = timeout_s
        self._warm_up = warm_up
        self._run: Run | None = None

    def start(self, on_done: OnDone, watchdog: Watchdog, leadership: Leadership) -> None:
        """Begin to get ready."""
        self._run = Run(
            self._caller, self.info, self.timeout_s, self._warm_up, on_done, watchdog, leadership
        )

    def wait_ready(self) -> ModelInfo:
        """The model is warm; ConfigError says why it cannot be."""
        assert self._run is not None
        self._run.warm.wait()
        if self._run.failure is not None:
            raise self._run.failure
        return self.info

    def submit(self, batch: Batch) -> None:
        """Put a batch into the inbox of its lane."""
        assert self._run is not None
        self._run.inbox(batch.lane).put(batch)

    def forget(self, client_id: str, lane: int) -> None:
        """On the lane's own thread, after what it has been given."""
        if self._run is not None:
            self._run.inbox(lane).put(lambda: self._caller.forget(client_id))

    def dismiss(self) -> list[threading.Thread]:
        """Tell the lanes to end after what they are at; their threads, to be joined."""
        run, self._run = self._run, None
        return [] if run is None else run.dismiss()
