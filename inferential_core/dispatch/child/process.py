"""Start a child process, hand it batches, notice its end at once, start it again."""

from __future__ import annotations

import contextlib
import itertools
import logging
import marshal
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import spawn
from typing import Any

from ...errors import ConfigError, ModelUnavailable, UsageError
from ..base import Batch, Completion, ModelInfo
from . import jobs, values
from .channel import Channel

_log = logging.getLogger(__name__)

OnDone = Callable[[Completion], None]
OnEvent = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Restarts:
    """When a child that ended is started again: at once, then ever later while it keeps ending."""

    first_s: float = 0.0
    then_s: float = 0.25
    factor: float = 2.0
    most_s: float = 30.0
    calm_s: float = 10.0  # a child that lived so long begins anew

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many ends in a row, the first being 0."""
        if failures == 0:
            return self.first_s
        return min(self.most_s, self.then_s * self.factor ** min(failures - 1, 64))


class ChildProcess:
    """A dispatcher in a process of its own; see the package's docstring for what runs in it.

    target: `module:attribute` that makes the Dispatcher, called in the child with `options`.
    options: plain data (str, bytes, numbers, bool, None, and lists and dicts of them). pickled:
    further options that are pickled for the child, such as a factory.
    ready_timeout_s: for the child to import, make and start its dispatcher.
    parent_death_signal: what the child gets when this process dies without a word; 0: only the end
    of its channel tells it.

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
    ) -> None:
        self.name = name
        self._begin: dict[str, Any] = {
            "target": target,
            "options": dict(options or {}),
            "grace_s": grace_s,
            "parent_death_signal": int(parent_death_signal),
        }
        try:
            marshal.dumps(self._begin)
        except ValueError:
            raise UsageError(f"{name}: options must be plain data, not {options}") from None
        self._pickled = pickled
        self._restarts = restarts or Restarts()
        self._ready_timeout_s = ready_timeout_s
        self._grace_s = grace_s
        self._run: _Run | None = None

    def start(self, on_done: OnDone, on_event: OnEvent | None = None) -> Mapping[str, ModelInfo]:
        """Start it and wait until it is ready; its models. ConfigError says why it is not."""
        self.launch(on_done, on_event)
        return self.wait_ready()

    def launch(self, on_done: OnDone, on_event: OnEvent | None = None) -> None:
        """Begin to start it, the first half of `start`."""
        if self._run is not None:
            raise UsageError(f"the process of {self.name} runs already")
        begin: dict[str, Any] = {**self._begin, "pickled": self._pickle()}
        begin["preparation"] = _preparation(self.name, begin["pickled"])
        begin["python_path"] = os.environ.get("PYTHONPATH")
        begin["log_level"] = logging.getLogger().getEffectiveLevel()
        self._run = run = _Run(
            self.name, begin, self._restarts, self._ready_timeout_s, on_done, on_event or _ignore
        )
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
        except Exception as error:
            raise UsageError(f"{self.name}: {error}; name it as module:attribute") from None

    @property
    def up(self) -> bool:
        """Whether it is there to take batches."""
        run = self._run
        return run is not None and run.up

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        run = self._run
        return run.process.pid if run is not None and run.up and run.process else None

    def submit(self, batch: Batch) -> None:
        """Hand a batch over; never blocks. `on_done` is called once, from another thread.

        Where the child is not there, or ends before it answers, each result is ModelUnavailable.
        """
        if self._run is None:
            raise UsageError(f"the process of {self.name} was not started")
        self._run.submit(batch)

    def cancel(self, batch: Batch, reason: Exception) -> bool:
        """End a batch now, each result being `reason`; what the child still answers is dropped.

        `on_done` is called before this returns. False if the batch had ended.
        """
        return self._run is not None and self._run.cancel(batch, reason)

    def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Say something to the dispatcher's `told(kind, fields)`: plain data. Lost while down."""
        if self._run is not None:
            self._run.send(("tell", kind, dict(fields)))

    def forget(self, model_id: str, client_id: str, lane: int) -> None:
        """As `Dispatcher.forget`."""
        if self._run is not None:
            self._run.send(("forget", model_id, client_id, lane))

    def kill(self, reason: str) -> None:
        """End the process the hard way; it is started again. What it was at ends with `reason`."""
        if self._run is not None:
            self._run.kill(reason)

    def close(self) -> None:
        """End the process; what is in flight ends ModelUnavailable. Returns when it is gone."""
        run, self._run = self._run, None
        if run is not None:
            self._abandoned.detach()
            run.close(self._grace_s)


class _Run:
    """One run of the supervisor, from `start` to `close`: one thread, one child after another.

    The thread starts all of them, because the kernel's parent-death signal comes when the thread
    that started a process ends.
    """

    def __init__(
        self,
        name: str,
        begin: Mapping[str, Any],
        restarts: Restarts,
        ready_timeout_s: float,
        on_done: OnDone,
        on_event: OnEvent,
    ) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.models: Mapping[str, ModelInfo] = {}
        self.failure: Exception | None = None  # of the first start
        self.up = False
        self._name = name
        self._begin = begin
        self._restarts = restarts
        self._ready_timeout_s = ready_timeout_s
        self._on_done = on_done
        self._on_event = on_event
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._numbers = itertools.count(1)
        self._in_flight: dict[int, Batch] = {}
        self._numbered: dict[Batch, int] = {}
        self._refused: queue.SimpleQueue[tuple[Batch, Exception] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._started = threading.Event()
        self._down_because = "it is being started"
        self._killed_because = ""
        self._threads = [
            threading.Thread(target=target, name=f"inferential-child-{name}", daemon=True)
            for target in (self._supervise, self._refuse)
        ]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_ready(self) -> Mapping[str, ModelInfo]:
        self._started.wait()
        if self.failure is not None:
            raise self.failure
        return self.models

    # --- from any thread ---

    def submit(self, batch: Batch) -> None:
        with self._lock:
            channel = self._channel if self.up else None
            if channel is not None:
                number = next(self._numbers)
                self._in_flight[number] = batch
                self._numbered[batch] = number
        if channel is None:
            self._refused.put((batch, self._unavailable()))
            return
        try:
            head, buffers = jobs.pack_batch(number, batch)
        except Exception as error:
            if self._take(batch):
                self._refused.put((batch, error))
            return
        channel.send(head, buffers)

    def cancel(self, batch: Batch, reason: Exception) -> bool:
        number = self._take(batch)
        if not number:
            return False
        channel = self._channel
        if channel is not None:
            channel.send(("cancel", number))
        self._finish(batch, reason)
        return True

    def send(self, head: tuple[Any, ...]) -> None:
        channel = self._channel
        if channel is not None and self.up:
            channel.send(head)

    def kill(self, reason: str) -> None:
        with self._lock:
            if self.process is not None:
                self._killed_because = reason
                self.process.kill()

    def close(self, grace_s: float) -> None:
        self._closing.set()
        with self._lock:
            channel = self._channel
        if channel is not None:
            channel.send(("end",))
        # Not from on_done or on_event; and one that still loads its weights would not hear it.
        if self.up and threading.current_thread() not in self._threads:
            self._threads[0].join(grace_s)
        self.kill("it is closed")
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    # --- the supervisor ---

    def _supervise(self) -> None:
        failures = 0
        try:
            while not self._closing.is_set():
                begun = time.monotonic()
                reason = self._one_life()
                if self.failure is not None or self._closing.is_set():
                    return
                if time.monotonic() - begun > self._restarts.calm_s:
                    failures = 0
                delay = self._restarts.delay(failures)
                failures += 1
                told = f"the process of {self._name} ended: {reason}; started again"
                _log.error("%s in %.2f s", told, delay)
                self._closing.wait(delay)
        finally:
            self._refused.put(None)
            self._started.set()

    def _one_life(self) -> str:
        """Start a child and serve until it ends; why it did."""
        ours, theirs = socket.socketpair()
        channel = Channel(ours)
        process: subprocess.Popen[bytes] | None = None
        reason = ""
        try:
            with theirs:
                process = _spawn(theirs.fileno())
            with self._lock:
                self.process, self._channel = process, channel
            if not self._closing.is_set():
                channel.send(("begin", dict(self._begin)))
                self._await_ready(process, channel)
                self._serve(channel)
        except _NotReady as error:
            reason = str(error)
            if not self._started.is_set():
                self.failure = ConfigError(f"{self._name}: {reason}")
                self.failure.__cause__ = error.__cause__
            elif error.__cause__ is not None:
                _log.error("%s could not start again", self._name, exc_info=error.__cause__)
        except OSError as error:  # no memory or no descriptors for another process
            reason = f"{type(error).__name__}: {error}"
            if not self._started.is_set():
                self.failure = ConfigError(f"{self._name}: {reason}")
        finally:
            self._after(process, channel, reason)
        return self._down_because

    def _after(
        self, process: subprocess.Popen[bytes] | None, channel: Channel, reason: str
    ) -> None:
        """Nothing is left of a life but what it left undone, and that ends now."""
        with self._lock:
            self.up = False
            lost, self._in_flight = self._in_flight, {}
            self._numbered.clear()
        if process is not None:
            reason = reason or _end_of(process, 0.0 if self._closing.is_set() else 1.0)
            _reap(process, 0.0)
        with self._lock:
            self.process = self._channel = None
            self._down_because = self._killed_because or reason
            self._killed_because = ""
        channel.close()
        for batch in lost.values():
            self._finish(batch, self._unavailable())
        if self._started.is_set() and not self._closing.is_set():
            self._tell_event("down", {"reason": self._down_because})

    def _await_ready(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        late = threading.Timer(self._ready_timeout_s, self.kill, (_not_ready(self),))
        late.daemon = True
        late.start()
        try:
            while (message := channel.receive()[0])[0] == "event":
                self._tell_event(message[1], message[2])
        except EOFError:
            ended = _end_of(process, 1.0)
            why = self._killed_because or f"it ended before it was ready: {ended}"
            raise _NotReady(why) from None
        finally:
            late.cancel()
            late.join()
        if message[0] == "failed":
            error = values.as_exception(*message[1:])
            text = message[2] if message[1] == "ConfigError" else f"{message[1]}: {message[2]}"
            raise _NotReady(text) from error
        with self._lock:
            self.models = jobs.unpack_models(message[1])
            self.up = True
        self._tell_event("up", {"models": self.models, "pid": process.pid})
        self._started.set()

    def _serve(self, channel: Channel) -> None:
        with contextlib.suppress(EOFError):
            while True:
                self._hear(*channel.receive())

    def _hear(self, head: Any, buffers: list[Any]) -> None:
        if head[0] == "event":
            self._tell_event(head[1], head[2])
        elif head[0] == "done":
            with self._lock:
                batch = self._in_flight.pop(head[1], None)
                if batch is not None:
                    del self._numbered[batch]
            if batch is not None:  # else it was cancelled
                self._finish_with(jobs.unpack_done(head, buffers, batch))

    # --- ends of batches ---

    def _refuse(self) -> None:
        """On a thread of its own: `submit` may not call back, and the supervisor waits."""
        while (item := self._refused.get()) is not None:
            self._finish(*item)

    def _take(self, batch: Batch) -> int:
        """The number of a batch in flight, which is no longer; 0 if it is not."""
        with self._lock:
            number = self._numbered.pop(batch, 0)
            self._in_flight.pop(number, None)
            return number

    def _unavailable(self) -> ModelUnavailable:
        return ModelUnavailable(f"the process of {self._name} is down: {self._down_because}")

    def _finish(self, batch: Batch, error: Exception) -> None:
        self._finish_with(Completion(batch, [error] * len(batch.requests), 0.0))

    def _finish_with(self, completion: Completion) -> None:
        try:
            self._on_done(completion)
        except Exception:
            _log.exception("a completion was refused")

    def _tell_event(self, kind: str, fields: Mapping[str, Any]) -> None:
        try:
            self._on_event(kind, fields)
        except Exception:
            _log.exception("an event was refused")


class _NotReady(Exception):
    """Why a child did not come to be ready; its cause is what was raised in it."""


def _not_ready(run: _Run) -> str:
    return f"it was not ready within {run._ready_timeout_s:g} s"


def _spawn(descriptor: int) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    # It has to find this package wherever it was found here; what it inherits it gets back.
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-m", __package__, str(descriptor), str(os.getpid())],
        env=environment,
        pass_fds=(descriptor,),
        cwd="/",  # `-m` looks there first: a queue.py of the user's is not to be the library's
        stdin=subprocess.DEVNULL,
    )


def _preparation(name: str, pickled: bytes | None) -> dict[str, Any]:
    """What multiprocessing tells its children, as far as it is of use here."""
    told = {**spawn.get_preparation_data(name), "dir": os.getcwd()}
    wanted = ["sys_path", "sys_argv", "dir"]
    if pickled is not None and b"__main__" in pickled:  # only then the main script runs again
        wanted += ["init_main_from_name", "init_main_from_path"]
    return {key: told[key] for key in wanted if key in told}


def _end_of(process: subprocess.Popen[bytes], patience_s: float) -> str:
    """How it ended, having closed its channel; killed if it does not end by itself."""
    _reap(process, patience_s)
    code = process.returncode
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _reap(process: subprocess.Popen[bytes], patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ignore(kind: str, fields: Mapping[str, Any]) -> None:
    """Nobody listens."""
