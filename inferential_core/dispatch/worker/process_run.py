"""One child process, from its start to its end."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ..base import Batch, ModelInfo
from . import jobs, values
from .callback_thread import CallbackThread
from .channel import Channel
from .lending import Piece
from .spawning import Process, end_of, start_process


class NotReady(Exception):
    """Why a child did not come to be ready; its cause is what was raised in it."""


class ProcessRun:
    """`begin`, `serve` and `end` are for one thread, in this order; all else is for any.

    `end` is called whatever came of the others.
    """

    def __init__(self, callbacks: CallbackThread) -> None:
        self.process: Process | None = None
        self._callbacks = callbacks
        self._channel: Channel | None = None
        self._in_flight = InFlight()
        self._lock = threading.Lock()  # of the process, so that none escapes a `kill`
        self._killed_because = ""

    # --- from its start to its end ---

    def begin(self, message: Mapping[str, Any], ready_timeout_s: float) -> dict[str, ModelInfo]:
        """Start it; its models, once it is ready. NotReady or OSError says why it is not."""
        ours, theirs = socket.socketpair()
        self._channel = channel = Channel(ours)
        with theirs:
            process = start_process(theirs.fileno(), bool(message.get("family")))
        with self._lock:
            self.process = process
            if self._killed_because:
                process.kill()
        channel.send(("begin", dict(message)))
        reason = f"it was not ready within {ready_timeout_s:g} s"
        late = threading.Timer(ready_timeout_s, self.kill, (reason,))
        late.daemon = True
        late.start()
        try:
            return self._await_ready(process, channel)
        finally:
            late.cancel()
            late.join()

    def _await_ready(self, process: Process, channel: Channel) -> dict[str, ModelInfo]:
        try:
            while (head := channel.receive()[0])[0] == "event":
                self._callbacks.event(head[1], head[2])
        except EOFError:
            ended = end_of(process, 1.0)
            why = self._killed_because or f"it ended before it was ready: {ended}"
            raise NotReady(why) from None
        if head[0] == "failed":
            name, text = head[1:3]
            reason = text if name == "ConfigError" else f"{name}: {text}"
            raise NotReady(reason) from values.as_exception(*head[1:])
        models = jobs.unpack_models(head[1])
        self._in_flight.open()
        return models

    def serve(self) -> None:
        """Pass on what it says, until it says no more."""
        assert self._channel is not None
        with contextlib.suppress(EOFError):
            while True:
                self._handle(*self._channel.receive())

    def _handle(self, head: Any, buffers: list[Any]) -> None:
        if head[0] == "event":
            self._callbacks.event(head[1], head[2])
        elif head[0] == "done":
            batch = self._in_flight.remove_number(head[1])
            if batch is not None:  # else it was cancelled
                self._callbacks.done(jobs.unpack_done(head, buffers, batch))

    def end(self, patience_s: float) -> tuple[str, list[Batch]]:
        """Nothing is left of it: why it ended, and what it left undone."""
        lost = self._in_flight.close()
        how = "" if self.process is None else end_of(self.process, patience_s)
        if self._channel is not None:
            self._channel.close()
        return self._killed_because or how, lost

    # --- meanwhile ---

    @property
    def up(self) -> bool:
        """Whether it is there to take batches."""
        return self._in_flight.is_open

    @property
    def pid(self) -> int | None:
        """The id of the process while it is up."""
        return self.process.pid if self.up and self.process is not None else None

    def submit(self, batch: Batch) -> bool:
        """Hand a batch over; False if it cannot be."""
        number = self._in_flight.put(batch)
        if not number:
            return False
        try:
            self.send(*jobs.pack_batch(number, batch))
        except Exception as error:
            if self._in_flight.remove(batch):
                self._callbacks.refuse(batch, error)
        return True

    def withdraw(self, batch: Batch) -> bool:
        """It need not work on a batch any longer; False if that had ended."""
        number = self._in_flight.remove(batch)
        if number:
            self.send(("cancel", number))
        return bool(number)

    def tell(self, *head: Any) -> None:
        """Send its dispatcher a message without buffers, lost while it is not up."""
        if self.up:
            self.send(head)

    def send(self, head: tuple[Any, ...], buffers: Sequence[Piece] = ()) -> None:
        """A message, lost if there is nobody to hear it."""
        if self._channel is not None:
            self._channel.send(head, buffers)

    def kill(self, reason: str) -> None:
        """End it the hard way, also if it is only just being started."""
        with self._lock:
            self._killed_because = reason
            if self.process is not None:
                self.process.kill()


class InFlight:
    """The batches a child process is at, each under a number that both sides know it by.

    Whoever takes a batch out ends it: that makes it once. From any thread.

    Open between `open` and `close`; before and afterwards nothing can be put in.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._batches: dict[int, Batch] = {}
        self._numbered: dict[Batch, int] = {}

    def open(self) -> None:
        """Take in batches from now on."""
        with self._lock:
            self.is_open = True

    def put(self, batch: Batch) -> int:
        """Its number; 0 if it could not be put in."""
        with self._lock:
            if not self.is_open:
                return 0
            number = next(self._numbers)
            self._batches[number] = batch
            self._numbered[batch] = number
            return number

    def remove(self, batch: Batch) -> int:
        """The number it had; 0 if it is not there."""
        with self._lock:
            number = self._numbered.pop(batch, 0)
            self._batches.pop(number, None)
            return number

    def remove_number(self, number: int) -> Batch | None:
        """The batch of that number; None if it is not there."""
        with self._lock:
            batch = self._batches.pop(number, None)
            if batch is not None:
                del self._numbered[batch]
            return batch

    def close(self) -> list[Batch]:
        """Take out all that are there."""
        with self._lock:
            self.is_open = False
            left = list(self._batches.values())
            self._batches.clear()
            self._numbered.clear()
            return left
