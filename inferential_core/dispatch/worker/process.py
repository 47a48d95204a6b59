"""A dispatcher in a child process, as the server's side sees it."""

from __future__ import annotations

import marshal
import pickle
import signal
import weakref
from collections.abc import Mapping
from typing import Any

from ...errors import UsageError, text_of
from ..base import Batch, ModelInfo, OnDone
from .callback_thread import CallbackThread, OnEvent
from .restarts import Restarts
from .spawning import surroundings
from .supervision import WorkerSupervisor


class WorkerProcess:
    """A dispatcher in a process of its own; see the package's docstring for what runs in it.

    target: `module:attribute` that makes the Dispatcher, called in the child with `options`.
    options: plain data (str, bytes, numbers, bool, None, and lists and dicts of them). pickled:
    further options that are pickled for the child, such as a factory.
    ready_timeout_s: for the child to import, make and start its dispatcher.
    parent_death_signal: what the child gets when this process dies without a word; 0: only the end
    of its channel tells it. family: what the child starts ends with it.

    `start` returns once the child is ready. Events reach `on_event(kind, fields)` on the
    supervising thread: those the dispatcher emits, and "up" ({"models": ..., "pid": ...}) and
    "down" ({"reason": ...}) of its process.
    """

    def __init__(
        self,
        target: str,
        options: Mapping[str, Any] | None = None,
        *,
        name: str,
        pickled: Mapping[str, Any] | None = None,
        restarts: Restarts | None = None,
        ready_timeout_s: float = 300.0,
        grace_s: float = 5.0,
        parent_death_signal: int = signal.SIGKILL,
        family: bool = False,
    ) -> None:
        self.name = name
        self._begin: dict[str, Any] = {
            "target": target,
            "options": dict(options or {}),
            "grace_s": grace_s,
            "parent_death_signal": int(parent_death_signal),
            "family": family,
        }
        try:
            marshal.dumps(self._begin)
        except ValueError:
            raise UsageError(f"{name}: options must be plain data, not {options}") from None
        self._pickled = pickled
        self._restarts = restarts or Restarts()
        self._ready_timeout_s = ready_timeout_s
        self._grace_s = grace_s
        self._run: WorkerSupervisor | None = None  # from `launch` to `close`

    def start(self, on_done: OnDone, on_event: OnEvent | None = None) -> Mapping[str, ModelInfo]:
        """Start it and wait until it is ready; its models. ConfigError says why it is not."""
        self.launch(on_done, on_event)
        return self.wait_ready()

    def launch(self, on_done: OnDone, on_event: OnEvent | None = None) -> None:
        """Begin to start it, the first half of `start`."""
        if self._run is not None:
            raise UsageError(f"the process of {self.name} runs already")
        pickled = self._pickle()
        message = {**self._begin, "pickled": pickled, **surroundings(self.name, pickled)}
        callbacks = CallbackThread(self.name, on_done, on_event or _ignore)
        self._run = run = WorkerSupervisor(
            self.name, message, self._restarts, self._ready_timeout_s, callbacks
        )
        # Whoever lets go of it without `close` leaves no process behind.
        self._abandoned = weakref.finalize(self, run.close, 0.0)
        run.begin()

    def wait_ready(self) -> Mapping[str, ModelInfo]:
        """The second half: its models, once it is ready; ConfigError says why it is not."""
        run = self._run
        if run is None:
            raise UsageError(f"the process of {self.name} was not started")
        try:
            return run.wait_ready()
        except BaseException:  # also a Ctrl-C while it loads its weights
            self.close()
            raise

    def _pickle(self) -> bytes | None:
        if self._pickled is None:
            return None
        try:
            return pickle.dumps(dict(self._pickled))
        except BaseException as error:  # of an object of the user's
            raise UsageError(
                f"{self.name}: {text_of(error)}; name it as module:attribute"
            ) from None

    @property
    def up(self) -> bool:
        """Whether it is there to take batches."""
        return (run := self._run) is not None and run.current.up

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if (run := self._run) is None else run.current.pid

    def submit(self, batch: Batch) -> None:
        """Hand a batch over; never blocks. `on_done` is called once, from another thread.

        Where the child is not there, or ends before it answers, each result is ModelUnavailable.
        """
        if (run := self._run) is None:
            raise UsageError(f"the process of {self.name} was not started")
        run.submit(batch)

    def cancel(self, batch: Batch, reason: Exception) -> bool:
        """End a batch now, each result being `reason`; what the child still answers is dropped.

        `on_done` is called before this returns. False if the batch had ended.
        """
        return (run := self._run) is not None and run.cancel(batch, reason)

    def notify(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Call the dispatcher's `notified(kind, fields)`: plain data. Lost while it is down."""
        if (run := self._run) is not None:
            run.current.tell("notify", kind, dict(fields))

    def amend(self, options: Mapping[str, Any]) -> None:
        """Options that hold when the child is started again."""
        self._begin["options"].update(options)

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        """As `Dispatcher.forget`."""
        if (run := self._run) is not None:
            run.current.tell("forget", model_id, client_id, lane)

    def kill(self, reason: str) -> None:
        """End the process the hard way; it is started again. What it was at ends with `reason`."""
        if (run := self._run) is not None:
            run.current.kill(reason)

    def close(self) -> None:
        """End the process; what is in flight ends ModelUnavailable. Returns when it is gone."""
        run, self._run = self._run, None
        if run is not None:
            self._abandoned.detach()
            run.close(self._grace_s)


def _ignore(kind: str, fields: Mapping[str, Any]) -> None:
    """Nobody listens."""
