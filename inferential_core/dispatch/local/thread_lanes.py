"""The lanes of one model in this process: threads that take batches from a queue, and lead the
server while they have no work.

All lanes of a model share one queue; those of a stateful model have one each. A call that takes
too long is given up: its batch ends, its thread is left to itself, and a new one takes its place.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable

from ...errors import ConfigError, ModelUnavailable, describe, touchable
from ...models.caller import ModelCaller
from ...process import forks
from ..base import NO_LEADERSHIP, Batch, Completion, Leadership, ModelInfo, OnDone
from ..watchdog import Watchdog

Item = Batch | Callable[[], None] | None  # to answer, to call, or the end
Inbox = queue.SimpleQueue[Item]

_log = logging.getLogger(__name__)

MOST_HANGING = 8  # threads left to themselves; then the model is given no more

_NEGLIGIBLE_S = 1e-3  # usual time of a call, up to which nobody minds if no one listens meanwhile
_LONGEST_LEADING_S = 10e-3  # a call that takes so long: the thread resigns as leader
_LOOK_S = 0.5  # at whether a lane that is to end was replaced meanwhile
_NEWEST = 0.1  # weight of the newest call in what is usual


class Lane:
    """A thread of a run, from its making until the end of the run or until it hangs.

    Where it has an inbox of its own and its calls take no time, it volunteers to lead the server
    while it waits for the next one (see `Leadership`), and so goes on from a message to the model
    without another thread.
    """

    def __init__(self, run: Run, index: int) -> None:
        self.index = index
        self.due = math.inf
        self.timeout_s = run.timeout_s
        self._run = run
        self._batch: Batch | None = None  # until it is answered, here or by `overdue`
        self._begun = math.nan
        self._usual_s = _LONGEST_LEADING_S
        self._leads = False  # the server, instead of its own thread
        self._ended = False
        self._away = False  # at something that may take its time, and is no batch
        self._lock = threading.Lock()
        self._name = run.model_id
        self._forks = forks.count
        self.thread = threading.Thread(
            target=self._work,
            name=f"inferential-model-{self._name}-{index}",
            daemon=True,  # a hanging model must not keep the process alive
        )
        run.watchdog.watch(self)
        self.thread.start()

    def overdue(self) -> None:
        """The call takes too long, says the watchdog: its batch fails, a new lane takes over."""
        with self._lock:
            if time.monotonic() < self.due:
                return  # that call was done, and this is another one
            if self._leads and self._batch is not None:
                self.due = self._begun + self.timeout_s
                self._resign()
                return
            batch, self._batch, self.due = self._batch, None, math.inf
            if batch is None and not self._away:
                return
            self._ended = True  # if it is promoted after this, it resigns at once
        what = "no answer" if batch is not None else "it has not forgotten a client"
        reason = f"{what} within {self.timeout_s:g} s: the call was given up"
        _log.error("model %r: %s, its thread is replaced", self._name, reason)
        self._run.replace(self)
        if batch is not None:
            self._run.on_done(Completion.failed(batch, ModelUnavailable(reason), self.timeout_s))

    def _work(self) -> None:
        run, caller = self._run, self._run.caller
        inbox = run.inbox(self.index)
        try:
            self._prepare()
            while (item := self._next(inbox)) is not None:
                if not (self._answer(item) if isinstance(item, Batch) else self._run_aside(item)):
                    run.came_back()
                    return
                item = None  # an idle lane must not keep what it observed last in memory
        except BaseException as error:  # a fault of ours: the model must not fall silent
            self._fail(error)
        finally:
            with self._lock:
                self._ended = True
                self._resign()
            run.leadership.withdraw(self._on_promoted)
            caller.end_thread()

    def _fail(self, error: BaseException) -> None:
        """This thread ends: its batch fails, and another one takes its place."""
        _log.error(
            "model %r: a thread failed, and is replaced", self._name, exc_info=touchable(error)
        )
        with self._lock:
            replaced, self._ended = self._ended, True
        if not replaced:
            self._run.replace(self)
        self._run.came_back()  # it hangs nowhere
        batch = self._claim_batch()
        if batch is not None:
            self._run.on_done(Completion.failed(batch, ModelUnavailable(describe(error))))

    def _next(self, inbox: Inbox) -> Item:
        """What to do next. Until there is something, it leads the server if it may."""
        leadership = self._run.leadership
        if self._usual_s > _NEGLIGIBLE_S:
            with self._lock:
                self._resign()
        elif not self._leads:
            leadership.volunteer(self._on_promoted)
        elif inbox.empty():
            leadership.lead(lambda: not inbox.empty())
        return inbox.get()

    def _on_promoted(self) -> None:
        """Lead from now on. Called by the thread that listened until now."""
        with self._lock:
            self._leads = True
            if self._ended or self._away:
                self._resign()
            elif self._batch is None:
                self._run.inbox(self.index).put(_nothing)
            else:
                self.due = min(self.due, time.monotonic() + _LONGEST_LEADING_S)
        self._run.watchdog.began(self.due)

    def _resign(self) -> None:
        """With the lock."""
        if self._leads:
            self._leads = False
            self._run.leadership.resign()

    def _run_aside(self, work: Callable[[], None]) -> bool:
        """Something that may take its time, but for what only wakes this thread.

        False if it took too long: another thread has this one's place.
        """
        if work is _nothing:
            return True
        with self._lock:
            self._away = True
            self._resign()
            self.due = time.monotonic() + self.timeout_s
        self._run.watchdog.began(self.due)
        try:
            work()
        finally:
            with self._lock:
                self._away = False
                self.due = math.inf
        return not self._ended

    def _prepare(self) -> None:
        run = self._run
        if self.index == 0 and not run.warm.is_set():
            try:
                run.caller.warm_up()
            except BaseException as error:
                run.failure = ConfigError(
                    f"model {self._name!r}: warming it up: {describe(error)}"
                )
                run.failure.__cause__ = error
            finally:
                run.warm.set()
        run.warm.wait()  # for the first lane

    def _answer(self, batch: Batch) -> bool:
        """False if the answer came too late: another thread has this one's place."""
        run = self._run
        if run.hanging >= MOST_HANGING:
            reason = f"{run.hanging} calls of this model hang"
            run.on_done(Completion.failed(batch, ModelUnavailable(reason)))
            return True
        begun = time.monotonic()
        with self._lock:
            self._batch = batch
            self._begun = begun
            self.due = begun + (_LONGEST_LEADING_S if self._leads else self.timeout_s)
        run.watchdog.began(self.due)
        results = run.caller.answer(batch.requests)
        if self._forks != forks.count:  # the model forked, and this is the child: not a server
            os._exit(0)
        duration = time.monotonic() - begun
        self._usual_s += _NEWEST * (duration - self._usual_s)
        if self._claim_batch() is None:
            return False
        run.on_done(Completion(batch, results, duration))
        return True

    def _claim_batch(self) -> Batch | None:
        """The batch in the works, for whoever gives its answer; None if that was given already."""
        with self._lock:
            self.due = math.inf
            batch, self._batch = self._batch, None
            return batch


class Run:
    """From `start` to `dismiss`. A lane that hangs at its end goes on in this one, unheard."""

    def __init__(
        self,
        caller: ModelCaller,
        info: ModelInfo,
        timeout_s: float,
        warm_up: bool,
        on_done: OnDone,
        watchdog: Watchdog,
        leadership: Leadership,
    ) -> None:
        self.caller = caller
        self.model_id = info.id
        self.timeout_s = timeout_s
        self.on_done = on_done
        self.watchdog = watchdog
        own_inbox = info.stateful or info.lanes == 1
        self.leadership = leadership if own_inbox else NO_LEADERSHIP
        self.hanging = 0
        self.warm = threading.Event()  # or known to fail at it
        if not warm_up:
            self.warm.set()
        self.failure: ConfigError | None = None
        count = info.lanes
        self.inboxes = [Inbox() for _ in range(count if info.stateful else 1)]
        self._lock = threading.Lock()
        self._dismissed = False
        self._lanes = [Lane(self, index) for index in range(count)]

    def inbox(self, lane: int) -> Inbox:
        """Where the batches of a lane are put."""
        return self.inboxes[lane % len(self.inboxes)]

    def dismiss(self) -> list[threading.Thread]:
        """Tell all lanes to end after what they are at; returns their threads."""
        with self._lock:
            self._dismissed = True
            lanes = list(self._lanes)
        for lane in lanes:
            self.watchdog.unwatch(lane)
            self.inbox(lane.index).put(None)
        return [lane.thread for lane in lanes]

    def retire(self) -> None:
        """Tell all lanes to end after what they are at, and wait for that.

        A call that takes too long is given up meanwhile as ever; its thread is not waited for.
        """
        for lane in self._lanes:
            self.inbox(lane.index).put(None)
        for index in range(len(self._lanes)):
            while (lane := self._lanes[index]).thread is not threading.current_thread():
                lane.thread.join(_LOOK_S)
                if lane is self._lanes[index] and not lane.thread.is_alive():
                    break
            self.watchdog.unwatch(self._lanes[index])

    def replace(self, lane: Lane) -> None:
        """Put a new lane in the place of one whose call hangs."""
        with self._lock:
            self.hanging += 1
            if not self._dismissed:
                self._lanes[lane.index] = Lane(self, lane.index)
        self.watchdog.unwatch(lane)

    def came_back(self) -> None:
        """A call that was given up has returned after all."""
        with self._lock:
            self.hanging -= 1


def _nothing() -> None:
    """Wakes a lane."""


class ThreadLanes:
    """Starts a run, and hands it its batches. timeout_s: of one call; inf where it may take for
    ever.
    """

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
        run = self._run  # which may be dismissed meanwhile
        assert run is not None
        run.warm.wait()
        if run.failure is not None:
            raise run.failure
        return self.info

    def submit(self, batch: Batch) -> None:
        """Put a batch into the inbox of its lane."""
        assert self._run is not None
        inboxes = self._run.inboxes
        # Modulo, as a process with one lane is one of several for the server.
        inboxes[batch.lane % len(inboxes)].put(batch)

    def forget(self, client_id: str, lane: int) -> None:
        """On the lane's own thread, after what it has been given."""
        if self._run is not None:
            self._run.inbox(lane).put(lambda: self._caller.forget(client_id))

    def dismiss(self) -> list[threading.Thread]:
        """Tell the lanes to end after what they are at; their threads, to be joined."""
        run, self._run = self._run, None
        return [] if run is None else run.dismiss()

    def retire(self) -> None:
        """End the lanes after what they are at, and return once that is done."""
        if (run := self._run) is not None:
            run.retire()
            self._run = None
