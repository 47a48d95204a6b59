"""Starts a Python process as a child of this one, and finds out how it ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
from multiprocessing import spawn
from typing import Any

from ...log import formatting

Process = subprocess.Popen[bytes]


class Family(Process):
    """A process that leads a session of its own, so that what it starts is killed with it."""

    def kill(self) -> None:
        """Kill all of it, also what outlives its leader."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def start_process(descriptor: int, family: bool = False) -> Process:
    """A process that runs `serving`, with this end of the channel to it. OSError if none can be.

    family: what it starts ends with it.

    The kernel's parent-death signal reaches it when the calling thread ends.
    """
    environment = dict(os.environ)
    # It has to find this package wherever it was found here; what it inherits it gets back.
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    return (Family if family else subprocess.Popen)(
        [sys.executable, "-m", __package__, str(descriptor), str(os.getpid())],
        env=environment,
        pass_fds=(descriptor,),
        cwd="/",  # `-m` looks there first: a queue.py of the user's is not to be the library's
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for us, who end it: it may be importing yet
    )


def surroundings(name: str, pickled: bytes | None) -> dict[str, Any]:
    """What the child needs to find what this process finds, as plain data."""
    preparation = {**spawn.get_preparation_data(name), "dir": os.getcwd()}
    wanted = ["sys_path", "sys_argv", "dir"]
    if pickled is not None and b"__main__" in pickled:  # only then the main script runs again
        wanted += ["init_main_from_name", "init_main_from_path"]
    return {
        "preparation": {key: preparation[key] for key in wanted if key in preparation},
        "python_path": os.environ.get("PYTHONPATH"),
        "log_level": logging.getLogger().getEffectiveLevel(),
        "log_form": formatting.form_in_force(),
    }


def end_of(process: Process, patience_s: float) -> str:
    """How it ended, having closed its channel; killed if it does not end by itself."""
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.kill()  # what it has left behind
    code = process.returncode
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
