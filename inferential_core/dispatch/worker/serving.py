"""The child's side: `python -m inferential_core.dispatch.worker SOCKET PARENT`.

begin -> make and start the dispatcher -> ready (or failed) -> batches, until told or left alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import pickle
import pkgutil
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from multiprocessing import spawn
from typing import Any

from ...errors import parts_of
from ...log import formatting
from ..base import Batch, Completion, Dispatcher
from . import jobs
from .callback_thread import guarded
from .channel import Channel

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Serve until the other end says so or is gone; the exit code."""
    descriptor, parent = map(int, arguments)
    os.set_inheritable(descriptor, False)  # or what a model starts would keep the channel open
    # A Ctrl-C in the terminal reaches this process too: ending it is the server's to do. Not
    # SIG_IGN, which processes that a model starts would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    channel = Channel(socket.socket(fileno=descriptor))
    try:
        begin, _ = channel.receive()
        _end_with_parent(parent, begin[1]["parent_death_signal"])
        return _Serving(channel).run(begin[1])
    except EOFError:  # the parent went before it said anything
        return 1
    finally:
        channel.close()


class _Serving:
    """One dispatcher, and the channel to whom it works for."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._batches: dict[int, Batch] = {}
        self._numbers: dict[Batch, int] = {}

    def run(self, begin: Mapping[str, Any]) -> int:
        _prepare(begin)
        dispatcher: Dispatcher | None = None
        try:
            dispatcher = _made(begin)
            listen = getattr(dispatcher, "listen", None)
            if listen is not None:
                listen(self._emit)
            dispatcher.start(self._done)
            facts = jobs.pack_models(dispatcher.models())
        except BaseException as error:
            self._channel.send(("failed", *parts_of(error)))
            self._end(dispatcher, begin["grace_s"])
            return 1
        self._channel.send(("ready", facts))
        with contextlib.suppress(EOFError):
            while self._handle(dispatcher):
                pass
        self._end(dispatcher, begin["grace_s"])
        return 0

    def _handle(self, dispatcher: Dispatcher) -> bool:
        head, buffers = self._channel.receive()
        kind = head[0]
        if kind == "batch":
            self._submit(dispatcher, head, buffers)
        elif kind == "cancel":
            batch = self._batches.get(head[1])
            if batch is not None and hasattr(dispatcher, "cancel"):
                guarded(dispatcher.cancel, batch)
        elif kind == "forget":
            guarded(dispatcher.forget, *head[1:])
        elif kind == "notify" and hasattr(dispatcher, "notified"):
            guarded(dispatcher.notified, *head[1:])
        return bool(kind != "end")

    def _submit(self, dispatcher: Dispatcher, head: Any, buffers: Any) -> None:
        number, batch = jobs.unpack_batch(head, buffers)
        self._batches[number] = batch
        self._numbers[batch] = number
        try:
            dispatcher.submit(batch)
        except Exception as error:
            _log.exception("a batch could not be started")
            self._done(Completion.failed(batch, error))

    def _done(self, completion: Completion) -> None:
        number = self._numbers.pop(completion.batch, None)
        if number is None:
            return  # said before
        self._batches.pop(number, None)
        head, buffers = jobs.pack_done(number, completion)
        # Memory that the inputs lie in goes back with the answer, unless a model keeps it.
        for request in completion.batch.requests:
            request.inputs = {}
        self._channel.send(head, buffers)

    def _emit(self, kind: str, fields: Mapping[str, Any]) -> None:
        self._channel.send(("event", kind, dict(fields)))

    def _end(self, dispatcher: Dispatcher | None, grace_s: float) -> None:
        # Whatever hangs, in `close` or at the interpreter's exit, does not outlive this.
        timer = threading.Timer(grace_s, os._exit, (1,))
        timer.daemon = True
        timer.start()
        if dispatcher is not None:
            guarded(dispatcher.close)


def _prepare(begin: Mapping[str, Any]) -> None:
    """Make this interpreter find what the parent finds."""
    if begin["python_path"] is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = begin["python_path"]
    lines = logging.StreamHandler()  # written at once: this process may be killed
    debugging = begin["log_level"] <= logging.DEBUG
    lines.setFormatter(formatting.formatter(begin["log_form"], debugging))
    logging.basicConfig(level=begin["log_level"], handlers=[lines], force=True)
    spawn.prepare(dict(begin["preparation"]))


def _made(begin: Mapping[str, Any]) -> Dispatcher:
    target = pkgutil.resolve_name(begin["target"])
    options = dict(begin["options"])
    if begin["pickled"] is not None:  # made by the parent, never by a client
        options.update(pickle.loads(begin["pickled"]))
    made = target(**options)
    if not isinstance(made, Dispatcher):
        raise TypeError(f"{begin['target']} made a {type(made).__name__}, which is no Dispatcher")
    return made


def _end_with_parent(parent: int, death_signal: int) -> None:
    """Have the kernel end this process with its parent, even while a model holds the lock."""
    if sys.platform == "linux" and death_signal:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before that was said
        raise EOFError
