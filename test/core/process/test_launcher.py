"""A process that was launched ends with its launcher; one that was not lives on."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferential_core.process.launcher import LAUNCHER_VARIABLE

if sys.platform != "linux":
    pytest.skip("processes are looked up in /proc", allow_module_level=True)

PATIENCE_S = 20.0

# It says its process id and whether it watches a launcher, then what happens to it.
CHILD = """
import os, signal, sys, threading
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # for threads of what is imported, too
from inferential_core.process.launcher import end_with_launcher, ignore_stop_signals

def say(text):
    os.write(1, f"{text}\\n".encode())

told = []
end_with_launcher(told.append)
watches = any(thread.name == "launcher" for thread in threading.enumerate())
say(f"{os.getpid()} {watches}")
signal.sigwait({signal.SIGTERM})
say(*told)
ignore_stop_signals()
os.kill(os.getpid(), signal.SIGINT)
os.kill(os.getpid(), signal.SIGTERM)
say("ended by itself")
"""

LAUNCHER = f"""
import os, subprocess, sys
child, named = sys.argv[1:]
environment = dict(os.environ)
if named:
    environment[{LAUNCHER_VARIABLE!r}] = named.replace("ME", str(os.getpid()))
subprocess.Popen([sys.executable, "-c", child], env=environment).wait()
"""


class Launched:
    """A child of a launcher, and all that the child says."""

    def __init__(self, folder: Path, program: str, named: str) -> None:
        script = folder / program
        script.write_text(LAUNCHER)
        self._process = subprocess.Popen(
            [sys.executable, str(script), CHILD, named], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._said = self._process.stdout.fileno()
        child, watches = self.line().split()
        self.child, self.watches = int(child), watches == "True"

    def line(self) -> str:
        """The next line, byte by byte; '' once the child is gone."""
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self._said], [], [], PATIENCE_S)[0], f"heard {line!r}"
            byte = os.read(self._said, 1)
            if not byte:
                return line.decode()
            line += byte
        return line.decode().strip()

    def end_launcher(self, number: int) -> None:
        self._process.send_signal(number)
        self._process.wait(PATIENCE_S)

    def close(self) -> None:
        if self._process.poll() is None:
            os.kill(self.child, signal.SIGTERM)  # the launcher ends with it
            self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[object]:
    launched: list[Launched] = []

    def start(program: str, named: str) -> Launched:
        launched.append(Launched(tmp_path, program, named))
        return launched[-1]

    yield start
    for each in launched:
        each.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(("program", "named"), [("ros2", ""), ("bringup.py", "ME")])
def test_what_was_launched_is_told_and_ends_when_its_launcher_is_gone(
    launch, program: str, named: str, number: int
) -> None:
    launched = launch(program, named)
    assert launched.watches
    launched.end_launcher(number)
    assert "launched this one is gone" in launched.line()
    assert launched.line() == "ended by itself"
    assert launched.line() == ""


def test_what_came_too_late_to_see_its_launcher_ends_as_well(launch) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(PATIENCE_S)
    launched = launch("bringup.py", str(gone.pid))
    assert "launched this one is gone" in launched.line()
    assert launched.line() == "ended by itself"


@pytest.mark.parametrize("named", ["", str(os.getpid())], ids=["nobody", "somebody-else"])
def test_what_another_program_started_watches_nobody(launch, named: str) -> None:
    assert not launch("bringup.py", named).watches
