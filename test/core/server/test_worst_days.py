"""What else a process has to survive: forks, full disks, stolen addresses, models that cling."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from embedded import LONG_S, ending, program

from inferential_core import (
    ConfigError,
    Connection,
    LocalDispatcher,
    Reply,
    Server,
    Status,
)
from inferential_core.pipeline import housekeeping


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def ask(connection: Connection, model_id: str = "policy") -> Reply:
    model = connection.model(model_id)
    model.observe(x=np.zeros(1))
    reply = model.get_reply(timeout_ms=1000 * LONG_S)
    assert reply is not None
    return reply


def until(found: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + LONG_S
    while not found():
        assert time.monotonic() < end, what
        time.sleep(0.01)


FORKS = """
import asyncio, os, time
import numpy as np
from inferential_core import InferentialConfig, LocalDispatcher, Server

def forks(obs):
    child = os.fork()  # as a library's pool of workers does
    if not child:
        time.sleep(600)
    return {{"child": np.int64(child)}}

config = InferentialConfig(transport={{"bind": "{address}"}}, http={{"bind": "127.0.0.1:{http}"}})
server = Server(config=config, dispatcher=LocalDispatcher({{"policy": forks}}))
server.start()
print("up", flush=True)
asyncio.run(server.run())
"""


def test_a_killed_server_starts_again_though_its_model_left_forked_workers(
    tmp_path: Path,
) -> None:
    address, http = free_address(), free_address().rpartition(":")[2]
    text = FORKS.format(address=address, http=http)
    children = []
    try:
        with Connection(address) as robot:
            for _ in range(2):
                with program(tmp_path, text) as process:
                    assert process.stdout is not None
                    assert process.stdout.readline() == "up\n"
                    reply = ask(robot)
                    while reply.status is Status.LOST:  # the link to the one that was killed
                        reply = ask(robot)
                    assert reply.result is not None, reply
                    children.append(int(reply.result["child"]))
                    process.stdout.close()
                    process.kill()
                    process.wait()
        assert all(psutil.pid_exists(child) for child in children)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def both_sides_return(obs: dict[str, Any]) -> dict[str, Any]:
    return {"child": np.int64(os.fork())}


def test_a_child_that_a_model_forks_and_lets_return_ends() -> None:
    dispatcher = LocalDispatcher({"policy": both_sides_return})
    with Server("tcp://127.0.0.1:0", dispatcher=dispatcher) as server:
        with Connection(server.address) as robot:
            reply = ask(robot)
        assert reply.result is not None, reply
        _, status = os.waitpid(int(reply.result["child"]), 0)
    assert os.waitstatus_to_exitcode(status) == 0


CLOSES = """
import sys
from inferential_core.cli import main

sys.modules["closes"] = sys.modules["__main__"]

def closes(obs):
    sys.stdout.close()
    return obs

words = "serve --dispatcher local --model policy=closes:closes --bind tcp://127.0.0.1:*"
sys.argv[1:] = words.split()
sys.exit(main())
"""


def test_a_model_that_closes_stdout_does_not_make_an_end_a_failure(tmp_path: Path) -> None:
    with program(tmp_path, CLOSES) as process:
        assert process.stdout is not None and process.stderr is not None
        address = process.stdout.readline().split()[-1]
        with Connection(address) as robot:
            assert ask(robot).result is not None
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read()
        assert process.wait(LONG_S) == 0, told


CLINGS = """
import atexit, sys, threading, time
from inferential_core.cli import main
from inferential_core.process import ending

ending.PATIENCE_S = 0.3
sys.modules["clings"] = sys.modules["__main__"]

def clings(obs):
    return obs

{how}
words = "serve --dispatcher local --model policy=clings:clings --bind tcp://127.0.0.1:*"
sys.argv[1:] = words.split()
sys.exit(main())
"""


@pytest.mark.parametrize(
    "how",
    [
        "threading.Thread(target=time.sleep, args=(600,), name='loader').start()",
        "atexit.register(time.sleep, 600)",
    ],
    ids=["thread", "atexit"],
)
def test_a_process_ends_though_a_model_keeps_it(tmp_path: Path, how: str) -> None:
    with program(tmp_path, CLINGS.format(how=how)) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("serving policy")
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=LONG_S)
    assert process.returncode == 0
    assert "the process ends after 0 s, though" in told
    assert ("threads (loader)" in told) is ("loader" in how)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_server_whose_output_finds_no_room_serves_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text("def echo(obs):\n    return obs\n")
    address = free_address()
    words = ["serve", "--dispatcher", "local", "--model", "policy=echo:echo", "--bind", address]
    with open("/dev/full", "w") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "inferential_core.cli", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with Connection(address) as robot:
                assert ask(robot).status is Status.OK
            process.terminate()
            _, told = process.communicate(timeout=LONG_S)
            assert process.returncode == 0
            assert f"serving policy on {address} (stdout: No space left on device)" in told
        finally:
            process.kill()
            process.communicate()


def test_a_second_server_does_not_take_an_ipc_address_over(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/s"
    models = {"policy": lambda obs: obs}
    with Server(address, dispatcher=LocalDispatcher(models)):
        with pytest.raises(ConfigError, match=os.strerror(errno.EADDRINUSE)):
            Server(address, dispatcher=LocalDispatcher(models)).start()
        with Connection(address) as robot:
            assert ask(robot).status is Status.OK
    with Server(address, dispatcher=LocalDispatcher(models)):  # the file that is left is no owner
        with Connection(address) as robot:
            assert ask(robot).status is Status.OK


def test_a_module_of_the_configuration_that_exits_is_told_and_following_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    file = tmp_path / "server.json"
    file.write_text("{}")
    server = Server("tcp://127.0.0.1:*", dispatcher=LocalDispatcher({"policy": lambda obs: obs}))
    server.follow(file)
    with server:
        file.write_text('{"scheduling": {"modules": ["exits"], "strategy": "exits"}}')
        until(lambda: "SystemExit" in server.status()["config"]["refused"], "it is told")
        file.write_text('{"scheduling": {"max_batch_size": 3}}')
        until(lambda: server.config.scheduling.max_batch_size == 3, "it is followed")


def test_a_lane_whose_thread_fails_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = LocalDispatcher({"policy": lambda obs: obs})
    with Server("tcp://127.0.0.1:*", dispatcher=dispatcher) as server:
        with Connection(server.address) as robot:
            assert ask(robot).status is Status.OK
            lanes = dispatcher._served["policy"].lanes._run
            lanes.inboxes[0].put(_raise_odd)
            assert ask(robot).status is Status.OK
    assert "a thread failed, and is replaced" in caplog.text


def _raise_odd() -> None:
    raise KeyboardInterrupt


def test_a_server_without_descriptors_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_PERIOD_S", 0.05)
    dispatcher = LocalDispatcher({"policy": lambda obs: obs})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Server("tcp://127.0.0.1:*", dispatcher=dispatcher) as server:
        with Connection(server.address) as robot:
            assert ask(robot).status is Status.OK
            taken = []
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 8, hard))
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                until(lambda: "no new robot can connect" in caplog.text, "it is told")
            finally:
                for descriptor in taken:
                    os.close(descriptor)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert ask(robot).status is Status.OK
    assert server.metrics.get_latest("descriptors_exhausted") is not None


@pytest.mark.parametrize(("steps", "period_ms"), [(4, 2e7), (4, 1e20), (4_000_000_000, 20.0)])
def test_actions_that_last_beyond_reason_are_counted_and_not_used(
    steps: int, period_ms: float
) -> None:
    dispatcher = LocalDispatcher({"policy": lambda obs: obs})
    with Server("tcp://127.0.0.1:*", dispatcher=dispatcher) as server:
        with Connection(server.address) as robot:
            model = robot.model("policy", control_period_ms=period_ms, latency_budget_ms=1e12)
            model.observe(steps_remaining=steps, x=np.zeros(1))
            reply = model.get_reply(timeout_ms=1000 * LONG_S)
            assert reply is not None and reply.status is Status.OK
            assert reply.requery_after_steps == 0
        assert server.metrics.get_latest("implausible_periods") is not None


def test_what_a_process_model_started_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "starts.py").write_text(
        "import subprocess, sys\n"
        "import numpy as np\n"
        "def starts(obs):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    return {'child': np.int64(child.pid)}\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        dispatcher = LocalDispatcher({"policy": "starts:starts"}, process=["policy"])
        with Server("tcp://127.0.0.1:*", dispatcher=dispatcher) as server:
            with Connection(server.address) as robot:
                reply = ask(robot)
                assert reply.result is not None, reply
                child = int(reply.result["child"])
        until(lambda: not psutil.pid_exists(child), "it is gone")
    finally:
        sys.path.remove(str(tmp_path))


def test_sockets_are_taken_from_a_fork_and_from_nothing_else(tmp_path: Path) -> None:
    """A program that forks and executes another one, or forks without a server, is left alone."""
    text = (
        "import os, socket\n"
        "import inferential_core.process.fork_guard as guard\n"
        "mine = socket.create_server(('127.0.0.1', 0))\n"
        "other = socket.create_server(('127.0.0.1', 0))\n"
        "guard.guard(mine.getsockname()[1])\n"
        "if not os.fork():\n"
        "    print(guard._is_guarded(mine.fileno()), other.getsockname()[0], flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    with program(tmp_path, text) as process:
        assert ending(process) == (0, "False 127.0.0.1\n")
