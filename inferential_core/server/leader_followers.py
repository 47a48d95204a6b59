"""Decides which thread listens for messages: the leader/followers pattern.

One thread at a time leads: it sleeps until a message, a wake-up or a timer, and takes the turns
of the event loop. By default that is the loop's own listening thread. The thread of a model that
answers within a millisecond may `volunteer`; when the listening thread is about to sleep, it
promotes that thread and waits. The new leader goes on from a message to its model and on to the
reply, so that no thread is woken on that way. It leads until it resigns, also on its behalf: the
watchdog of a call that takes longer than usual makes the listening thread lead again at once.

After D. Schmidt et al., "Leader/Followers", Pattern Languages of Programs 2000. Whoever never
volunteers, as models in other processes, has `dispatch.base.NO_LEADERSHIP` instead.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ..dispatch.base import Leadership


class Loop(Protocol):
    """What a leader does, see `EventLoop`."""

    stopping: bool
    completions: deque[Any]  # of models that are done, that nobody has handled yet

    def turn(self) -> bool:
        """Do what there is to do; whether there is more already."""

    def sleep(self, again: bool) -> None:
        """Sleep until something happens, unless there is something to do `again`."""

    def fail(self, error: BaseException) -> None:
        """End the loop, with this error as the reason."""


class LeaderFollowers(Leadership):
    """The leader of one event loop, and the thread that volunteered to lead it next."""

    def __init__(self, loop: Loop) -> None:
        self.leader: int | None = None  # thread that leads instead of the listening thread
        self.attended = False  # the leader did all there was to do already, as its model was done
        self._loop = loop
        self._volunteer: Callable[[], None] | None = None
        self.has_work: Callable[[], bool] = lambda: False  # whether its inbox holds something
        self._lock = threading.Lock()  # of the two below
        self._promoted = False
        self._resigned = threading.Semaphore(0)

    # --- for followers ---

    def volunteer(self, promoted: Callable[[], None]) -> None:
        self._volunteer = promoted

    def withdraw(self, promoted: Callable[[], None]) -> None:
        if self._volunteer == promoted:  # it may be promoted in this moment, and then resigns
            self._volunteer = None

    def lead(self, has_work: Callable[[], bool]) -> None:
        loop = self._loop
        self.has_work = has_work
        self.leader = threading.get_ident()
        try:
            while not loop.stopping:
                again = False if self.attended else loop.turn()
                self.attended = False
                if has_work() and not loop.completions:
                    return
                loop.sleep(again)
        except BaseException as error:
            loop.fail(error)
        self.resign()

    def resign(self) -> None:
        with self._lock:
            if self._promoted:
                self._promoted = False
                self.leader = None
                self._resigned.release()

    # --- for the loop ---

    def promote(self) -> bool:
        """Make the volunteer the leader, and return when it resigned; False if there is none."""
        volunteer, self._volunteer = self._volunteer, None
        if volunteer is None:
            return False
        self.attended = False
        with self._lock:
            if self._loop.stopping:
                return True
            self._promoted = True
        volunteer()
        self._resigned.acquire()
        return True
