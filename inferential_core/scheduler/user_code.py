"""Runs a user's code on a thread of its own, so that a call that hangs stops nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from ..process.users_code import Foreign

T = TypeVar("T")


def _nothing() -> None:
    """Nobody needs to know."""


def is_ctrl_c(error: BaseException) -> bool:
    """Whether somebody ends the program that called; a thread of a user's code never hears it."""
    main = threading.current_thread() is threading.main_thread()
    return main and type(error) is KeyboardInterrupt


class Answer(Generic[T]):
    """What a call returned or raised, once it has."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    def run(self, work: Foreign[Callable[[], T]], after: Callable[[], None]) -> None:
        """Do the work, keep what came of it, then call `after`."""
        try:
            self._value = work()
        except BaseException as error:  # SystemExit too ends the call, not the thread
            self._error = error
        self._done.set()
        after()

    def ready(self, within_s: float = 0.0) -> bool:
        """Whether the work is done; waits for so many seconds at most."""
        return self._done.wait(within_s) if within_s > 0 else self._done.is_set()

    def get(self) -> T | None:
        """What it returned; raises what it raised. Only when `ready`."""
        if self._error is not None:
            raise self._error
        return self._value


class UserThread:
    """Runs calls one after another; starts with the first one, and ends with `close`.

    A call cannot be interrupted: while one hangs, those after it wait.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def begin(
        self, work: Foreign[Callable[[], T]], after: Callable[[], None] = _nothing
    ) -> Answer[T]:
        """Have `work` called, at once if nothing else is; `after` once its answer is ready."""
        answer: Answer[T] = Answer()
        self._work.put(lambda: answer.run(work, after))
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        return answer

    def close(self) -> None:
        """No more calls; the thread ends as soon as the one at hand returns."""
        self._closed = True
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
