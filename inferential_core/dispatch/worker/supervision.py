"""Starting a child process, noticing its end at once, and starting it again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from ...errors import ConfigError, ModelUnavailable, touchable
from ..base import Batch, ModelInfo
from .callback_thread import CallbackThread
from .process_run import NotReady, ProcessRun
from .restarts import Restarts

_log = logging.getLogger(__name__)


class WorkerSupervisor:
    """One run of the process after another, from `begin` to `close`, all on one thread.

    One, because the kernel's parent-death signal comes when the thread that started a process
    ends. Between two runs batches are refused. `current` is read from any thread.
    """

    def __init__(
        self,
        name: str,
        message: Mapping[str, Any],
        restarts: Restarts,
        ready_timeout_s: float,
        callbacks: CallbackThread,
    ) -> None:
        self._name = name
        self._message = message  # what each child is told first
        self._restarts = restarts
        self._ready_timeout_s = ready_timeout_s
        self._callbacks = callbacks
        self.current = ProcessRun(callbacks)  # the present run, or the last one
        self._models: Mapping[str, ModelInfo] = {}
        self._failure: Exception | None = None  # of the first start
        self._down_because = "it is being started"
        self._started = threading.Event()  # or failed to
        self._closing = threading.Event()
        self._thread = threading.Thread(
            target=self._supervise, name=f"inferential-child-{name}", daemon=True
        )

    def begin(self) -> None:
        """Start the process, and the threads that look after it."""
        self._callbacks.open()
        self._thread.start()

    def wait_ready(self) -> Mapping[str, ModelInfo]:
        """The models of the first child, once it is ready; ConfigError says why it is not."""
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self._models

    def close(self, grace_s: float) -> None:
        """End it all, the process within `grace_s` or by force. Returns when it is gone."""
        self._closing.set()
        self.current.send(("end",))
        threads = (self._thread, self._callbacks.thread)
        # Not from on_done or on_event; and one that still loads its weights would not hear it.
        if self.current.up and threading.current_thread() not in threads:
            self._thread.join(grace_s)
        self.current.kill("it is closed")
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    # --- from any thread ---

    def submit(self, batch: Batch) -> None:
        """Have the process work on a batch; it ends ModelUnavailable where there is none."""
        if not self.current.submit(batch):
            self._callbacks.refuse(batch, self._unavailable())

    def cancel(self, batch: Batch, reason: Exception) -> bool:
        """End a batch with this error; False if it had ended."""
        if not self.current.withdraw(batch):
            return False
        self._callbacks.fail(batch, reason)
        return True

    # --- the thread ---

    def _supervise(self) -> None:
        failures = 0
        try:
            while True:
                begun = time.monotonic()
                self._run_once()
                if self._failure is not None or self._closing.is_set():
                    return
                if time.monotonic() - begun > self._restarts.calm_s:
                    failures = 0
                delay = self._restarts.delay(failures)
                failures += 1
                _log.error(
                    "the process of %s ended: %s; started again in %.2f s",
                    self._name,
                    self._down_because,
                    delay,
                )
                if self._closing.wait(delay):
                    return
                self.current = ProcessRun(self._callbacks)
        finally:
            self._callbacks.close()
            self._started.set()

    def _run_once(self) -> None:
        """Start a child and serve until it ends."""
        run = self.current
        failure = ""
        try:
            if not self._closing.is_set():
                self._models = run.begin(self._message, self._ready_timeout_s)
                self._callbacks.event("up", {"models": self._models, "pid": run.pid})
                self._started.set()
                run.serve()
        except NotReady as error:
            failure = self._could_not_start(str(error), error.__cause__)
        except OSError as error:  # no memory or no descriptors for another process
            failure = self._could_not_start(f"{type(error).__name__}: {error}", None)
        finally:
            self._on_exit(run, failure)

    def _could_not_start(self, reason: str, cause: BaseException | None) -> str:
        if not self._started.is_set():
            self._failure = ConfigError(f"{self._name}: {reason}")
            self._failure.__cause__ = cause
        elif cause is not None:
            _log.error("%s could not start again", self._name, exc_info=touchable(cause))
        return reason

    def _on_exit(self, run: ProcessRun, failure: str) -> None:
        """What a run left undone ends now."""
        # One that failed by itself or is not wanted any more is not waited for.
        how, lost = run.end(0.0 if failure or self._closing.is_set() else 1.0)
        self._down_because = failure or how
        for batch in lost:
            self._callbacks.fail(batch, self._unavailable())
        if self._started.is_set() and not self._closing.is_set():
            self._callbacks.event("down", {"reason": self._down_because})

    def _unavailable(self) -> ModelUnavailable:
        return ModelUnavailable(f"the process of {self._name} is down: {self._down_because}")
