"""Runs a list of processes where `launch` is not installed, and leaves none of them behind.

Each process leads its own group and is killed by the kernel (PR_SET_PDEATHSIG) should this one
die without a word. The end is asked for with SIGTERM, then SIGKILL; not with SIGINT, to which a
Python that is still starting answers with a traceback. Signals are blocked and taken one at a
time with sigtimedwait. Another thread of this process (a BLAS pool, say) may be handed one all
the same; so handlers note what asks us to stop, and we look up four times a second. Linux,
standard library only; run it in the main thread of a process of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inferential_ros.bringup.process import Process
from inferential_ros.resources import executable_path, python_path

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WATCHED = {*STOP_SIGNALS, signal.SIGCHLD}
# With the grace of each in s. Told twice: one that is starting may miss the first.
ESCALATION = ((signal.SIGTERM, 3.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
RESPAWN_DELAY_S = 1.0
LOOK_S = 0.25
TAIL_LINES = 20
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Child:
    """One entry of the list and the process that runs it now."""

    process: Process
    popen: subprocess.Popen[bytes]
    log: Path | None
    respawn_at_s: float | None = None


class Supervisor:
    """Starts a list, waits for its end, stops what is left."""

    def __init__(
        self, processes: Sequence[Process], log_dir: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._processes = list(processes)
        self._log_dir = log_dir
        self._env = dict(env or {})
        self._children: list[Child] = []
        self._asked: int | None = None  # the signal another thread was handed
        self._paths = [executable_path(p.package, p.executable) for p in self._processes]

    def run(self) -> int:
        """The exit status of the process the list stands or falls with, or why there is none.

        128 + n: signal n asked us to stop, after every process had its say. 1: a process ended
        that should not have; its last lines are on stderr.
        """
        handlers = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            self._start()
            return self._watch()
        finally:
            self._stop()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _start(self) -> None:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        for process, path in zip(self._processes, self._paths):
            log = None if process.foreground else self._log_dir / f"{process.label}.log"
            self._children.append(Child(process, self._spawn(process, path, log), log))

    def _spawn(self, process: Process, path: str, log: Path | None) -> subprocess.Popen[bytes]:
        env = {**os.environ, "ROS_LOG_DIR": str(self._log_dir), "PYTHONUNBUFFERED": "1"}
        folders = [*python_path(), *filter(None, [env.get("PYTHONPATH")])]
        if folders:
            env["PYTHONPATH"] = os.pathsep.join(folders)
        env.update(self._env)
        env.update(process.env)
        output = None if log is None else log.open("ab")
        try:
            return subprocess.Popen(
                [*_interpreter(path), path, *process.ros_arguments()],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                preexec_fn=_bind_to_parent(os.getpid()),
            )
        finally:
            if output is not None:
                output.close()

    def _watch(self) -> int:
        while True:
            now_s = time.monotonic()
            due = [c.respawn_at_s - now_s for c in self._children if c.respawn_at_s is not None]
            signum = self._next_signal(max(0.0, min(due, default=LOOK_S)))
            if signum in STOP_SIGNALS:
                return 128 + signum
            for child in self._children:
                if child.respawn_at_s is not None:
                    if time.monotonic() >= child.respawn_at_s:
                        path = executable_path(child.process.package, child.process.executable)
                        child.popen = self._spawn(child.process, path, child.log)
                        child.respawn_at_s = None
                    continue
                status = child.popen.poll()
                if status is None:
                    continue
                if child.process.required:
                    return status if status >= 0 else 128 - status
                if not child.process.respawn:
                    self._report_death(child, status)
                    return 1
                child.respawn_at_s = time.monotonic() + RESPAWN_DELAY_S

    def _stop(self) -> None:
        """Those that own the terminal first: they have a summary to print. Then the rest."""
        for foreground in (True, False):
            self._end([c for c in self._children if c.process.foreground is foreground])

    def _end(self, children: list[Child]) -> None:
        for signum, grace_s in ESCALATION:
            children = [c for c in children if c.popen.poll() is None]
            for child in children:
                _signal_group(child.popen.pid, signum)
            deadline_s = time.monotonic() + grace_s
            while any(c.popen.poll() is None for c in children):
                remaining_s = deadline_s - time.monotonic()
                if remaining_s <= 0.0 or self._next_signal(remaining_s) in STOP_SIGNALS:
                    break  # out of patience: ours, or that of whoever pressed Ctrl-C again

    def _note(self, number: int, frame: object) -> None:
        self._asked = number

    def _next_signal(self, timeout_s: float) -> int | None:
        """The next of WATCHED; None if there was none for a moment, `timeout_s` at most."""
        info = None
        if self._asked is None:
            info = signal.sigtimedwait(WATCHED, min(timeout_s, LOOK_S))
        asked, self._asked = self._asked, None
        return asked if info is None else info.si_signo

    def _report_death(self, child: Child, status: int) -> None:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        print(f"\n{child.process.label} ended with {how}", file=sys.stderr)
        if child.log is not None:
            lines = child.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            print(f"--- last lines of {child.log}", *lines, sep="\n", file=sys.stderr, flush=True)


def _signal_group(pid: int, signum: int) -> None:
    try:
        os.killpg(pid, signum)
    except ProcessLookupError:
        pass


def _interpreter(path: str) -> list[str]:
    """Our own Python for Python scripts: `env python3` may find one that lacks our packages."""
    with open(path, "rb") as file:
        shebang = file.readline(200)
    return [sys.executable] if shebang.startswith(b"#!") and b"python" in shebang else []


def _bind_to_parent(parent_pid: int):
    """What the child does before it becomes the program: own group, and no life without us."""

    def prepare() -> None:
        os.setpgid(0, 0)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # we died before the call above
            os._exit(1)
        for number in STOP_SIGNALS:  # one that is pending: end, do not raise
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    return prepare
