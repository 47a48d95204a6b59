"""Each wait without a bound in both packages, and why it ends.

Whoever waits for something of a user's, of another process or of the network, waits for so long at
most. What is listed here waits for a thread of ours, or for work. A new one needs a reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
WAITING = {"acquire", "communicate", "join", "wait"}

TOLD = "a thread of ours that runs no code of a user's: it was told to end, and woken"
IDLE = "a thread without work: whoever brings some, or closes, wakes it"
START = "a start, in which a model may load for long: Ctrl-C ends it, and the command tells of it"
REASONS = {
    "inferential_core/config/file_watch.py _run: self._observer.join()": TOLD,
    "inferential_core/control/listener.py stop: self._thread.join()": TOLD,
    "inferential_core/decoding/ahead.py _next: self._more.wait()": IDLE,
    "inferential_core/decoding/ahead.py close: thread.join()": TOLD,
    "inferential_core/dispatch/local/process_lanes.py dismiss: thread.join()": (
        "threads that each end a process within its grace time, by SIGKILL at last"
    ),
    "inferential_core/dispatch/local/thread_lanes.py _prepare: run.warm.wait()": START,
    "inferential_core/dispatch/local/thread_lanes.py wait_ready: run.warm.wait()": START,
    "inferential_core/dispatch/ray_serve/driver.py _live: self._ending.wait()": IDLE,
    "inferential_core/dispatch/ray_serve/driver.py _refresh_now: self._refreshed.wait()": (
        "the driver looks at Serve again and again, and is replaced if it hangs"
    ),
    "inferential_core/dispatch/ray_serve/driver.py close: self._thread.join()": (
        "in a process of its own, which ends itself after its grace time"
    ),
    "inferential_core/dispatch/watchdog.py close: thread.join()": TOLD,
    "inferential_core/dispatch/worker/channel.py _write: self._more.wait()": IDLE,
    "inferential_core/dispatch/worker/channel.py close: writer.join()": TOLD,
    "inferential_core/dispatch/worker/process_run.py begin: late.join()": TOLD,
    "inferential_core/dispatch/worker/spawning.py end_of: process.wait()": "after SIGKILL",
    "inferential_core/dispatch/worker/supervision.py close: thread.join()": TOLD,
    "inferential_core/dispatch/worker/supervision.py wait_ready: self._started.wait()": START,
    "inferential_core/doors/attended.py stop: self._thread.join()": TOLD,
    "inferential_core/doors/lerobot/door.py close: self._thread.join()": TOLD,
    "inferential_core/log/waiting.py waiting: teller.join()": TOLD,
    "inferential_core/metrics/callbacks.py _work: self.wake_up.wait()": IDLE,
    "inferential_core/metrics/traces.py _run: self._wake_up.wait()": IDLE,
    "inferential_core/security/gate.py close: self._thread.join()": TOLD,
    "inferential_core/server/event_loop.py stop: self._thread.join()": TOLD,
    "inferential_core/server/leader_followers.py promote: self._resigned.acquire()": (
        "a lane that listens for the server: it resigns when it is asked to, before it calls"
    ),
    "inferential_core/web/connections.py main_loop: self._leaving.wait()": IDLE,
    "inferential_ros/bridge/pacing.py __init__: self._moved.acquire()": "a new lock is free",
    "inferential_ros/bridge/pacing.py stop: self._thread.join()": TOLD,
    "inferential_ros/bridge/sample_reader.py stop: self._thread.join()": TOLD,
    "inferential_ros/bridge/server_link.py stop: self._thread.join()": TOLD,
    "inferential_ros/stop_signals.py close: self._thread.join()": TOLD,
}


def unbounded_waits() -> Iterator[str]:
    """`file function: call` of each call of a method of WAITING's without any argument."""
    for package in ("inferential_core", "inferential_ros"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            bounded = {
                id(call.args[0])
                for call in ast.walk(tree)
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "asyncio.wait_for"
            }
            for function in ast.walk(tree):
                if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    continue
                for call in ast.walk(function):
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr in WAITING
                        and not (call.args or call.keywords or id(call) in bounded)
                    ):
                        where = path.relative_to(ROOT)
                        yield f"{where} {function.name}: {ast.unparse(call)}"


def test_every_wait_without_a_bound_has_a_reason() -> None:
    found = set(unbounded_waits())
    assert found - REASONS.keys() == set(), "bound these, or say why they end"
    assert REASONS.keys() - found == set(), "these are gone: take them off the list"
