"""Ends a process with the one that launched it, as its own SIGTERM would.

`ros2 launch` and `ros2 run` leave their nodes behind when SIGTERM or SIGKILL ends them: a bridge
would go on commanding its robot, and nobody would see it. So whatever they started notices.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

# The process id of the program that launches; our own launch files set it.
LAUNCHER_VARIABLE = "INFERENTIAL_LAUNCHER"
LOOK_S = 1.0  # where the kernel cannot wait for a process that is not a child (before Linux 5.3)


def end_with_launcher(tell: Callable[[str], None]) -> None:
    """From now on SIGTERM comes to this process when its launcher ends; `tell` is told why before.

    The launcher is the process that LAUNCHER_VARIABLE names, or a parent that is the `ros2`
    command. A process that was started in another way, by a shell or by systemd, has none: it
    lives on, as `nohup` and the like mean it to.
    """
    launcher = _launcher()
    if launcher is None:
        return

    def wait() -> None:
        _until_gone(launcher)
        tell("the process that launched this one is gone: this one stops, too")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="launcher", daemon=True).start()


def ignore_stop_signals() -> None:
    """SIGINT and SIGTERM do nothing from now on, for a process that is ending already.

    `ros2 launch` sends a second SIGINT 0.2 s after that of the terminal, and reports a node that
    dies of it as an error. Python itself lets go of its handlers shortly before it ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _launcher() -> int | None:
    parent = os.getppid()
    named = os.environ.get(LAUNCHER_VARIABLE, "")
    if named.isdecimal() and (int(named) == parent or not _exists(int(named))):
        return int(named)  # a program that our parent started, and we by it, is no child of theirs
    try:
        words = Path(f"/proc/{parent}/cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:  # no Linux, or it is gone already
        return None
    return parent if any(os.path.basename(word) == "ros2" for word in words[:3]) else None


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _until_gone(process: int) -> None:
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        while os.getppid() == process:
            time.sleep(LOOK_S)
        return
    try:
        select.select([handle], [], [])
    finally:
        os.close(handle)
