"""Drives the pipeline under one lock: every thread that brings something takes a turn.

    a message arrives        the listening thread: receive -> form batches
    a model is done          its own thread:       reply   -> form batches
    somebody asks            any thread:           read the pipeline between two turns

So a reply leaves on the thread that computed it, and a model that is done finds its next batch
itself: no thread is woken for what another one can do at once. Nobody waits for the lock to
hand in a completion: who finds it taken leaves the completion to its holder, who checks for that
after giving it back. The listening thread sleeps until a message, a wake-up or a timer; nothing
polls. Another thread may listen in its place: see `leader_followers`.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import TypeVar

from ..clock import Clock
from ..dispatch.base import Completion
from ..errors import touchable
from ..pipeline.pipeline import Pipeline
from ..transport.base import Transport
from .leader_followers import LeaderFollowers

_log = logging.getLogger(__name__)

T = TypeVar("T")

# Messages taken in before batches are formed again, so that a flood cannot stop the models: about
# 5 ms' worth, or 1 ms' worth where a lane could begin or results could leave.
_RECEIVE_AT_ONCE = 64
_ENOUGH = 16


class EventLoop:
    """A pipeline at work on a transport, from `start` until `stop`."""

    def __init__(self, pipeline: Pipeline, transport: Transport, clock: Clock) -> None:
        self.pipeline = pipeline
        self.transport = transport
        self.failure: BaseException | None = None  # what ended it, if nobody stopped it
        self.stopped = threading.Event()
        self.stopping = False
        self.completions: deque[Completion] = deque()  # that nobody has handled yet
        pipeline.undelivered = self.completions.append
        self.leadership = LeaderFollowers(self)
        self._clock = clock
        self._lock = threading.Lock()  # of the pipeline and the socket
        self._holder: int | None = None  # thread that has the lock, for calls from inside
        self._models_changed = False
        self._sleeps_until = math.inf
        self._on_stopped: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="inferential-server", daemon=True)

    def start(self) -> None:
        """Start the listening thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it: what waits ends DROPPED. Returns when the transport is closed."""
        self.stopping = True
        self.transport.wake()
        self._thread.join()

    # --- from any thread ---

    def when_stopped(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once the loop has ended; at once if it has."""
        self._on_stopped.append(callback)
        if self.stopped.is_set():
            callback()

    def on_done(self, completion: Completion) -> None:
        """A batch is done. Replies and forms the next batches, unless another thread is at it."""
        self.completions.append(completion)
        while self.completions and self._lock.acquire(blocking=False):
            self._holder = get_ident()
            try:
                if self.stopped.is_set():
                    self.completions.clear()  # settled when it stopped
                else:
                    self._follow_up()
            except BaseException as error:
                self.fail(error)
            finally:
                self._holder = None
                self._lock.release()

    def on_models_changed(self) -> None:
        """The dispatcher has other models, or the same with other lanes or versions."""
        self._models_changed = True
        self.transport.wake()

    def between_turns(self, work: Callable[[], T]) -> T:
        """What `work` returns, while nothing else touches the pipeline."""
        if self._holder == get_ident():
            return work()  # user code inside of a turn asks
        with self._lock:
            self._holder = get_ident()
            try:
                return work()
            finally:
                self._holder = None
                self.transport.wake()  # for what it changed, and what came meanwhile

    # --- turns; the lock is held ---

    def _attend(self) -> None:
        """Do what a thread that listens does in its turn."""
        if self._models_changed:
            self._models_changed = False
            self.pipeline.update_models()
        self._receive()
        while self.completions:
            self.pipeline.on_completion(self.completions.popleft())
        if self._clock.now() >= self._sleeps_until:
            self.pipeline.on_timer()
        self.pipeline.form_batches()

    def _follow_up(self) -> None:
        """A turn of a thread whose model is done: it should get back to the model soon."""
        pipeline, transport, leadership = self.pipeline, self.transport, self.leadership
        while self.completions:
            pipeline.on_completion(self.completions.popleft())
        pipeline.form_batches()
        free = pipeline.has_free_lane()
        if free and transport.unattended():
            self._receive()
            pipeline.form_batches()
        if leadership.leader == self._holder:
            if self._models_changed or self._clock.now() >= self._sleeps_until:
                self._attend()  # it may not come to that for long while its model has work
            self._sleeps_until = pipeline.next_timer()
            leadership.attended = free and not transport.unattended()
            pipeline.dispatch()
            return
        # Whether the listening thread is needed earlier than it would wake by itself. Sending may
        # take away the signal that a message arrived, so this comes after all else.
        if transport.unattended() or pipeline.next_timer() < self._sleeps_until:
            transport.wake()
        pipeline.dispatch()
        if leadership.leader is not None and leadership.has_work():
            transport.wake()  # it sleeps there, not where it was handed a batch

    def _receive(self) -> None:
        """Take in what is there, within reason."""
        pipeline, receive = self.pipeline, self.transport.receive
        for number in range(_RECEIVE_AT_ONCE):
            if number >= _ENOUGH and (self.completions or pipeline.has_free_lane()):
                return
            message = receive()
            if message is None:
                return
            try:
                pipeline.on_message(*message)
            except Exception:  # a fault of ours, but one message must not end them all
                _log.exception("a message was lost to a fault of the server")

    # --- the thread that listens ---

    def turn(self) -> bool:
        """Do what there is to do; whether there is more already."""
        with self._lock:
            self._holder = get_ident()
            self._attend()
            self._sleeps_until = self.pipeline.next_timer()
            again = self.transport.unattended()
            self.pipeline.dispatch()
            self._holder = None
        return again

    def sleep(self, again: bool) -> None:
        """Sleep until something happens, unless there is something to do `again`."""
        if not (again or self.completions):
            left = self._sleeps_until - self._clock.now()
            self.transport.wait(None if left == math.inf else left)

    def _run(self) -> None:
        try:
            while not self.stopping:
                again = self.turn()
                if self.completions or not self.leadership.promote():
                    self.sleep(again)
        except BaseException as error:
            self.fail(error)
        finally:
            self._end()

    def fail(self, error: BaseException) -> None:
        """End the loop because of a fault in it, which is logged."""
        self.failure = error
        _log.error("the server's loop failed", exc_info=touchable(error))
        self.stopping = True
        self.transport.wake()

    def _end(self) -> None:
        with self._lock:
            try:
                self.pipeline.drop_all("the server stops")
                self.transport.close()
            finally:
                self._holder = None
                self.stopped.set()
        for callback in self._on_stopped:
            callback()
