"""What every test stands on: a ROS domain of its own, and a clean end.

Each pytest process (so each xdist worker) takes a free ROS domain, kept to this machine. A
process that a test starts must be gone when the test is, processes and threads alike when its
module is.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

MARK = "INFERENTIAL_TEST_RUN"  # inherited by everything a test starts, however detached
GRACE_S = 10.0  # for what was told to stop and is on its way out
# Helpers of Python and of pyzmq, one a process, that end with the interpreter.
TRACKER = "multiprocessing.resource_tracker"
COLLECTOR = "zmq.utils.garbage"

# Processes that serve several tests of a module: they and what they start may come and go.
LASTING: set[int] = set()

_domain_lock: socket.socket | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _domain_lock
    domain_id, _domain_lock = take_domain()
    os.environ["ROS_DOMAIN_ID"] = str(domain_id)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    if os.environ.get("ROS_DISTRO") == "humble":  # which does not know the range yet
        os.environ["ROS_LOCALHOST_ONLY"] = "1"
    with contextlib.suppress(ImportError):  # environments of peers have no hypothesis
        from hypothesis import settings

        settings.register_profile("untimed", deadline=None)  # a busy machine proves nothing
        settings.load_profile("untimed")
    os.environ[MARK] = str(os.getpid())
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # Started in the background by a shell: what tests start would not hear a Ctrl-C either.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Commands and nodes under test show themselves to nobody, but where that is what is tested.
    os.environ.setdefault("INFERENTIAL_HTTP__BIND", "off")


def pytest_unconfigure() -> None:
    if _domain_lock is not None:
        _domain_lock.close()


def take_domain() -> tuple[int, socket.socket]:
    """A domain no test on this machine uses, and what keeps it ours until we end.

    The port is the one that ROS 2's own domain_coordinator binds, so we keep out of each
    other's way.
    """
    for domain_id in range(1, 101):
        lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            lock.bind(("127.0.0.1", 22119 + domain_id))
        except OSError:
            lock.close()
        else:
            return domain_id, lock
    raise pytest.UsageError("no free ROS domain: too many tests run on this machine")


def started_processes() -> dict[psutil.Process, str]:
    """Everything alive that this pytest process started, directly or not, and its command."""
    alive = {
        process.pid: process
        for process in psutil.process_iter(["ppid", "status"])
        if process.info["status"] not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    }
    parents = {pid: process.info["ppid"] for pid, process in alive.items()}
    marked = {pid for pid, process in alive.items() if is_marked(process)}
    # Children may have been given another environment.
    started = with_descendants(marked | {os.getpid()}, parents) - {os.getpid()}
    started -= with_descendants(LASTING, parents)
    commands = {alive[pid]: command(alive[pid]) for pid in started & alive.keys()}
    return {each: line for each, line in commands.items() if line and TRACKER not in line}


@functools.cache  # once a process, as this is the dearest of what is looked up
def is_marked(process: psutil.Process) -> bool:
    try:
        return process.environ().get(MARK) == str(os.getpid())
    except (psutil.Error, OSError):
        return False  # it ended while we looked, or is another user's


def with_descendants(pids: set[int], parents: dict[int, int]) -> set[int]:
    """These processes, what they started, what those started, ..."""
    family = set(pids)
    while children := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= children
    return family


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.Error, OSError):
        return ""


def end_leftovers(before: dict[psutil.Process, str]) -> list[str]:
    """Commands of the processes that would have outlived the test; none of them does now."""
    deadline = time.monotonic() + GRACE_S
    while left := {each: line for each, line in started_processes().items() if each not in before}:
        psutil.wait_procs(left, timeout=max(0.0, deadline - time.monotonic()))
        if time.monotonic() > deadline:
            break
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):  # late, but it ended by itself
            process.kill()
    return [f"{process.pid}: {line}" for process, line in left.items()]


@pytest.fixture(scope="module")
def lasting_processes() -> Iterator[set[int]]:
    """Ids of processes that outlive a test, but not its module."""
    yield LASTING
    LASTING.clear()


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    before = started_processes()
    yield
    left = end_leftovers(before)
    assert not left, f"processes outlived the test: {left}"


@pytest.fixture(autouse=True, scope="module")
def nothing_outlives_its_module() -> Iterator[None]:
    processes, threads = started_processes(), set(threading.enumerate())
    yield
    left = end_leftovers(processes)
    deadline = time.monotonic() + GRACE_S
    for thread in set(threading.enumerate()) - threads:
        if type(thread).__module__ == COLLECTOR:
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            left.append(f"thread {thread.name}")
    assert not left, f"outlived the module's tests: {left}"
