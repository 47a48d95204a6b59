"""The supervisor with real processes: whatever happens to it, none of them stays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the supervisor is for Linux", allow_module_level=True)

PATIENCE_S = 30.0

# Children say "<name> <pid>" in one write once they run. `foreground` lets them use our pipe.
CHILDREN = {
    "polite": """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until it waits: none may be missed
os.write(1, f"{sys.argv[1]} {os.getpid()}\\n".encode())
signal.sigwait({signal.SIGTERM})
print("goodbye", flush=True)
""",
    "stubborn": """
import os, signal, sys
for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(signum, signal.SIG_IGN)
os.write(1, f"{sys.argv[1]} {os.getpid()}\\n".encode())
while True:
    signal.pause()
""",
    "done": "import os, sys; os.write(1, f'done {os.getpid()}\\n'.encode()); sys.exit(7)",
    "broken": "raise SystemExit('the motor is missing')",
}

RUNNER = """
import signal, sys
from pathlib import Path
from inferential_ros.bringup import supervisor
from inferential_ros.bringup.process import Process

supervisor.ESCALATION = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
supervisor.RESPAWN_DELAY_S = 0.05
processes = [{processes}]
sys.exit(supervisor.Supervisor(processes, Path({logs!r})).run())
"""


class Supervised:
    """A supervisor in a process of its own, and what its children said."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self._handles: list[int] = []

    def hear(self, *names: str) -> list[int]:
        """Waits until the children of those names have said that they run; their ids."""
        pids: dict[str, int] = {}
        while set(pids) != set(names):
            assert self.popen.stdout is not None
            assert select.select([self.popen.stdout], [], [], PATIENCE_S)[0], f"heard {pids}"
            name, pid = self._line().split()
            pids[name] = int(pid)
            try:
                self._handles.append(os.pidfd_open(int(pid)))
            except ProcessLookupError:
                pass  # it has ended already
        return [pids[name] for name in names]

    def _line(self) -> str:
        """One line, byte by byte: select() knows nothing of what a reader has buffered."""
        assert self.popen.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self.popen.stdout.fileno(), 1)
            assert byte, f"the children ended in the middle of {line!r}"
            line += byte
        return line.decode()

    def all_ended(self) -> bool:
        """Whether every child heard is gone, given some time."""
        return all(select.select([handle], [], [], PATIENCE_S)[0] for handle in self._handles)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            stream.close()
        for handle in self._handles:
            os.close(handle)


@pytest.fixture
def supervise(tmp_path: Path):
    """Runs a list of Process(...) expressions under a supervisor."""
    index = tmp_path / "prefix/share/ament_index/resource_index/packages"
    programs = tmp_path / "prefix/lib/children"
    index.mkdir(parents=True)
    programs.mkdir(parents=True)
    (index / "children").touch()
    for name, code in CHILDREN.items():
        (programs / name).write_text(f"#!/usr/bin/env python3\n{code}")
        (programs / name).chmod(0o755)
    prefixes = [str(tmp_path / "prefix"), os.environ.get("AMENT_PREFIX_PATH", "")]
    env = {**os.environ, "AMENT_PREFIX_PATH": os.pathsep.join(filter(None, prefixes))}
    started: list[Supervised] = []

    def start(*processes: str) -> Supervised:
        code = RUNNER.format(processes=", ".join(processes), logs=str(tmp_path / "log"))
        popen = subprocess.Popen(
            [sys.executable, "-c", code],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        started.append(Supervised(popen))
        return started[-1]

    yield start
    for supervised in started:
        supervised.close()


def child(executable: str, more: str = "foreground=True") -> str:
    return (
        f"Process({executable!r}, {executable!r}, package='children',"
        f" arguments=[{executable!r}], {more})"
    )


Start = Callable[..., Supervised]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_it_lets_its_children_say_goodbye(supervise: Start, signum) -> None:
    run = supervise(child("polite"))
    run.hear("polite")
    run.popen.send_signal(signum)
    assert run.popen.wait(PATIENCE_S) == 128 + signum
    assert run.all_ended()
    assert run.popen.stdout is not None
    assert run.popen.stdout.read() == "goodbye\n"


def test_a_child_that_ignores_signals_is_killed(supervise: Start) -> None:
    run = supervise(child("stubborn"))
    run.hear("stubborn")
    run.popen.send_signal(signal.SIGINT)
    run.popen.send_signal(signal.SIGINT)  # and again, impatiently
    assert run.popen.wait(PATIENCE_S) == 128 + signal.SIGINT
    assert run.all_ended()


@pytest.mark.parametrize("name", ["polite", "stubborn"])
def test_killed_outright_it_takes_its_children_along(supervise: Start, name: str) -> None:
    run = supervise(child(name))
    run.hear(name)
    run.popen.kill()
    run.popen.wait(PATIENCE_S)
    assert run.all_ended()


def test_the_end_of_the_required_process_is_the_end_of_all(supervise: Start) -> None:
    run = supervise(child("polite"), child("stubborn", "required=True, foreground=True"))
    _, required = run.hear("polite", "stubborn")
    os.kill(required, signal.SIGKILL)
    assert run.popen.wait(PATIENCE_S) == 128 + signal.SIGKILL
    assert run.all_ended()


def test_the_exit_status_of_the_required_process_is_that_of_all(supervise: Start) -> None:
    run = supervise(child("done", "required=True, foreground=True"))
    assert run.popen.wait(PATIENCE_S) == 7


def test_a_child_that_dies_is_reported_with_its_last_words(supervise: Start) -> None:
    run = supervise(child("polite"), child("broken", ""))
    assert run.popen.wait(PATIENCE_S) == 1
    assert run.popen.stderr is not None
    said = run.popen.stderr.read()
    assert "broken ended with exit status 1" in said
    assert "the motor is missing" in said


def test_a_child_that_shall_respawn_is_started_again(supervise: Start) -> None:
    run = supervise(child("done", "respawn=True, foreground=True"))
    run.hear("done")
    run.hear("done")
    run.popen.send_signal(signal.SIGINT)
    assert run.popen.wait(PATIENCE_S) == 128 + signal.SIGINT


def test_an_executable_that_is_not_there_is_named_before_anything_starts(supervise: Start) -> None:
    run = supervise(child("polite"), child("absent"))
    assert run.popen.wait(PATIENCE_S) == 1
    assert run.popen.stdout is not None and run.popen.stderr is not None
    assert run.popen.stdout.read() == ""
    assert "no executable 'absent' of package 'children'" in run.popen.stderr.read()
