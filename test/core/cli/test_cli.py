"""The `inferential` command, and `inferential serve` as the process it is."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import inferential_core
from inferential_core import Connection, Status
from inferential_core import cli as command

SOON_S = 30.0  # a bound, not a duration
ROOT = Path(inferential_core.__file__).parent.parent

MODELS = """
import numpy as np

class Doubler:
    version = "v7"

    def infer_batch(self, batch):
        return [{"actions": 2 * obs["state"]} for obs in batch]
"""


# --- the command ---


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_lists_the_subcommands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: inferential")
    assert all(name in said for name in command.COMMANDS)


def test_without_a_subcommand_the_usage_is_shown_and_the_exit_code_is_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main([]) == 2
    assert "usage: inferential" in capsys.readouterr().out


def test_an_unknown_subcommand_is_told_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["sreve"]) == 2
    said = capsys.readouterr().err
    assert "no command 'sreve'" in said
    assert "serve" in said


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == f"inferential {inferential_core.__version__}\n"


@pytest.mark.parametrize(
    ("missing", "fix"),
    [("rclpy", "make build"), ("mujoco", "inferential[demo]"), ("pydantic", "[server]")],
)
def test_a_missing_package_is_told_with_what_brings_it(
    missing: str,
    fix: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    error = f"raise ModuleNotFoundError('gone', name='{missing}.part')"
    at_once, later = f"needs_{missing}_at_once", f"needs_{missing}_later"
    (tmp_path / f"{at_once}.py").write_text(error)
    (tmp_path / f"{later}.py").write_text(f"def main(arguments):\n    {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for module in (at_once, later):
        monkeypatch.setitem(command.COMMANDS, "odd", (f"{module}:main", "a test"))
        assert command.main(["odd"]) == 1
        said = capsys.readouterr().err
        assert f"'{missing}' is not installed" in said
        assert fix in said
        assert len(said.splitlines()) == 1


def test_a_missing_module_of_the_users_own_is_no_package_of_ours_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "needs_mine.py").write_text("def main(arguments):\n    import my_own_thing\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(command.COMMANDS, "odd", ("needs_mine:main", "a test"))
    with pytest.raises(ModuleNotFoundError, match="my_own_thing"):
        command.main(["odd"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no model to serve"),
        (["--model", "policy"], "write name=module:attribute"),
        (["--model", "p=no_such_module_anywhere:P"], "cannot import 'no_such_module_anywhere'"),
        (["--model", "p=math:sqrt", "--strategy", "roundrobin"], "'round_robin'"),
        (["--model", "p=math:sqrt", "--config", "/nowhere.yaml"], "/nowhere.yaml: No such file"),
        (["--model", "p=math:sqrt", "--lanes", "0"], "lanes must be at least 1"),
        (["--model", "p=math:sqrt", "--bind", "tcp://nonsense"], "bind 'tcp://nonsense'"),
        (["--model", "p=math:sqrt", "--bind", "10.0.0.7:5555"], "is no address: write tcp://HOST"),
        (["--model", "p=math:sqrt", "--bind", "tcp://127.0.0.1:99999"], "there is no port 99999"),
        (
            ["--model", "p=math:sqrt", "--bind", "tcp://203.0.113.7:5555", "--allow-insecure"],
            "this machine has no such address",
        ),
        (["--model", "p=math:pi"], "not callable"),
        (["--model", "p=math:sqrt", "--process", "q"], "model 'q' is none of ['p']"),
        (["--model", "p=math:no", "--process", "p", "--bind", "ipc://x"], "has no 'no'"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_and_exit_code_1(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    anywhere = ["--bind=tcp://127.0.0.1:*"]
    assert command.main(["serve", "--dispatcher=local", *anywhere, *arguments]) == 1
    told = capsys.readouterr().err.strip()
    error = told.splitlines()[-1]  # after warnings, if any
    assert error.startswith("inferential serve: ")
    assert said in error
    assert "Traceback" not in told


def test_a_file_that_cannot_be_written_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["model", "show", "p=math:sqrt", "--force", "--contract", str(tmp_path)]
    assert command.main(arguments) == 1
    assert capsys.readouterr().err.strip() == f"inferential model: {tmp_path}: Is a directory"


@pytest.mark.parametrize("words", ["--help", "--version", "config show"])
@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        (">/dev/full", 1, "inferential.*: No space left on device\n"),
        ("| true", 128 + signal.SIGPIPE, ""),
        ("2>/dev/null >&-", 0, ""),
    ],
)
def test_a_stdout_that_takes_nothing_is_no_traceback(
    words: str, where: str, code: int, said: str
) -> None:
    command = f"{sys.executable} -m inferential_core.cli {words} {where}"
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=SOON_S,
        check=False,
    )
    assert ran.returncode == code
    assert re.fullmatch(said, ran.stderr)


# --- a server process ---


# The installed command does not have the folder one stands in on its path, as `-m` has.
AS_INSTALLED = "import sys; del sys.path[0]; from inferential_core.cli import main; exit(main())"


class Process:
    """`inferential serve` with the models of a folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-c", AS_INSTALLED, "serve", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def address(self) -> str:
        """The one it prints once it serves."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], SOON_S)
        line = self._process.stdout.readline().decode() if ready else ""
        assert line.startswith("serving "), f"{line!r}, {self.end(signal.SIGKILL)}"
        return line.split()[-1]

    def said_until(self, words: str) -> str:
        """What it said on stderr, up to the line that has these words."""
        assert self._process.stderr is not None
        lines = []
        for line in map(bytes.decode, self._process.stderr):
            lines.append(line)
            if words in line:
                return "".join(lines)
        raise AssertionError("".join(lines))

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Exit code after this signal, and what it said on stderr."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Exit code once it has ended by itself, and what it said on stderr."""
        _, said = self._process.communicate(timeout=SOON_S)
        return self._process.returncode, said.decode()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    (tmp_path / "my_models.py").write_text(MODELS)
    processes: list[Process] = []

    def start(*arguments: str) -> Process:
        if not any(each.startswith("--dispatcher") for each in arguments):
            arguments = ("--dispatcher=local", *arguments)
        processes.append(Process(tmp_path, *arguments))
        return processes[-1]

    yield start
    for each in processes:
        each.close()


MODEL = "--model=policy=my_models:Doubler"
ANY_PORT = "--bind=tcp://127.0.0.1:*"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_a_robot_and_stops_cleanly(
    serve: Callable[..., Process], number: signal.Signals
) -> None:
    process = serve(MODEL, ANY_PORT)
    with Connection(process.address(), client_id="robot_1") as connection:
        model = connection.model("policy")
        for step in range(3):
            model.observe(state=np.full(4, step, np.float32))
            reply = model.get_reply(timeout_ms=1000 * SOON_S)
            assert reply is not None and reply.status is Status.OK
            assert reply.model_version == "v7"
            assert reply.result is not None
            np.testing.assert_array_equal(reply.result["actions"], np.full(4, 2 * step))
        code, said = process.end(number)
    assert code == 0
    assert "Traceback" not in said


def test_a_model_may_have_a_process_of_its_own(serve: Callable[..., Process]) -> None:
    process = serve(MODEL, ANY_PORT, "--process=policy", "--lanes=2", "--timeout=10")
    with Connection(process.address(), client_id="robot_1") as connection:
        model = connection.model("policy")
        model.observe(state=np.ones(4, np.float32))
        reply = model.get_reply(timeout_ms=1000 * SOON_S)
        assert reply is not None and reply.status is Status.OK
        assert reply.model_version == "v7"
        code, said = process.end(signal.SIGINT)
    assert (code, "Traceback" in said) == (0, False)


def test_no_thread_waits_long_for_another_or_for_the_garbage_collector(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "looks.py").write_text(
        "import gc, sys\n"
        "def infer(obs):\n"
        "    return {'switch': sys.getswitchinterval(), 'spared': gc.get_freeze_count()}\n"
    )
    process = serve("--model=policy=looks:infer", ANY_PORT)
    with Connection(process.address()) as connection:
        model = connection.model("policy")
        model.observe(state=np.zeros(1))
        found = model.get_result(timeout_ms=10_000)
    assert found is not None
    assert found["switch"] <= 1e-3
    assert found["spared"] > 10_000


@pytest.mark.parametrize("where", [[], ["--process=policy"]])
@pytest.mark.parametrize(("told", "ends"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_is_obeyed_while_a_model_loads(
    serve: Callable[..., Process],
    tmp_path: Path,
    told: signal.Signals,
    ends: int,
    where: list[str],
) -> None:
    (tmp_path / "loads.py").write_text(
        "import pathlib, time\n"
        "class Policy:\n"
        "    def infer(self, obs): ...\n"
        "    def warm_up(self):\n"
        "        pathlib.Path('begun').touch()\n"
        "        time.sleep(3600)\n"
    )
    process = serve("--model=policy=loads:Policy", ANY_PORT, *where)
    deadline = time.monotonic() + SOON_S
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    code, said = process.end(told)
    assert (code, "Traceback" in said) == (ends, False)


def test_a_server_without_a_model_or_a_cluster_says_that_it_tries_again_and_how_to_do_without(
    serve: Callable[..., Process],
) -> None:
    pytest.importorskip("ray", reason="Ray is the [server] extra")
    process = serve("--dispatcher=ray", "--ray-address=127.0.0.1:9", ANY_PORT)
    process.address()
    said = process.said_until("Connection refused; the server tries again twice a second")
    assert "--dispatcher local --model NAME=MODULE:ATTRIBUTE serves one in this process" in said


def test_a_model_that_takes_long_to_make_is_told_meanwhile(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "slow_to_make.py").write_text(
        "import time\nclass Policy:\n"
        "    def __init__(self): time.sleep(2.5)\n    def infer(self, obs): ...\n"
    )
    process = serve("--model=policy=slow_to_make:Policy", ANY_PORT)
    process.address()
    _, said = process.end(signal.SIGINT)
    assert "the server is making its models (policy), for 2 s now" in said


@pytest.mark.parametrize("where", [[], ["--process=policy"]], ids=["thread", "process"])
@pytest.mark.parametrize("attribute", ["Made", "Warmed"])
def test_who_will_not_wait_is_obeyed_while_a_model_gets_ready(
    serve: Callable[..., Process], tmp_path: Path, attribute: str, where: list[str]
) -> None:
    (tmp_path / "never.py").write_text(
        "import time\n"
        "class Made:\n"
        "    def __init__(self): time.sleep(3600)\n"
        "    def infer(self, obs): ...\n"
        "class Warmed:\n"
        "    def infer(self, obs): ...\n"
        "    def warm_up(self): time.sleep(3600)\n"
    )
    process = serve(f"--model=policy=never:{attribute}", ANY_PORT, "--wait=0.5", *where)
    code, said = process.wait()
    assert code == 1
    made = attribute == "Made" and not where
    why = "a model is still being made" if made else "a model still warms up"
    assert said.splitlines()[-1] == f"inferential serve: not ready after 0.5 s: {why}"


def test_a_library_that_takes_no_notice_ends_with_the_process() -> None:
    script = (
        "import contextlib, time\n"
        "from inferential_core.cli import patience\n"
        "patience._GRACE_S = 0.1\n"
        "with patience.Patience(0.1).until_over('a model is still being made'):\n"
        "    while True:\n"
        "        with contextlib.suppress(KeyboardInterrupt):\n"
        "            time.sleep(3600)\n"
    )
    words = [sys.executable, "-c", script]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=SOON_S, check=False)
    told = "inferential: not ready after 0.1 s: a model is still being made\n"
    assert (ended.returncode, ended.stderr) == (1, told)


def test_a_model_that_warms_up_long_is_told_meanwhile(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "slow_to_warm.py").write_text(
        "import time\nclass Policy:\n"
        "    def warm_up(self): time.sleep(2.5)\n    def infer(self, obs): ...\n"
    )
    process = serve("--model=policy=slow_to_warm:Policy", ANY_PORT)
    process.address()
    _, said = process.end(signal.SIGINT)
    assert "the server waits until model 'policy' is ready, for 2 s now" in said


def test_a_ctrl_c_of_the_terminal_leaves_the_process_of_a_model_to_its_server(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "told.py").write_text(
        "import os, sys\nclass Policy:\n    def infer(self, obs): ...\n"
        "    def warm_up(self):\n"
        "        print('session', os.getsid(0), 'of', os.getpid(), file=sys.stderr, flush=True)\n"
    )
    process = serve("--model=policy=told:Policy", ANY_PORT, "--process=policy")
    process.address()
    _, said = process.end(signal.SIGINT)
    session, its_own = re.findall(r"session (\d+) of (\d+)", said)[0]
    assert session == its_own


def test_a_robot_that_waits_for_a_hanging_model_does_not_keep_it_from_stopping(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "hangs.py").write_text(
        "import pathlib, time\n"
        "def infer(obs):\n"
        "    pathlib.Path('begun').touch()\n"
        "    time.sleep(3600)\n"
    )
    process = serve("--model=policy=hangs:infer", ANY_PORT)
    with Connection(process.address(), client_id="robot_1") as connection:
        model = connection.model("policy")
        model.observe(state=np.zeros(1))
        deadline = time.monotonic() + SOON_S
        while not (tmp_path / "begun").exists():  # connected, and the model is at it
            assert time.monotonic() < deadline
            connection.wait(timeout_ms=10)
        code, said = process.end(signal.SIGTERM)
        assert (code, "Traceback" in said) == (0, False)


def test_a_server_that_broke_ends_with_an_error_instead_of_staying_there_deaf(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "breaks.py").write_text(
        "from inferential_core.pipeline.pipeline import Pipeline\n"
        "def infer(obs): ...\n"
        "def broken(*_): raise RuntimeError('a bug')\n"
        "Pipeline.form_batches = broken\n"
    )
    process = serve("--model=policy=breaks:infer", ANY_PORT)
    with Connection(process.address(), client_id="robot_1") as connection:
        connection.model("policy").observe(state=np.zeros(1))
        code, said = process.wait()
    assert code == 1
    assert "RuntimeError: a bug" in said


def test_it_reads_a_configuration_and_says_on_which_address_it_serves(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    (tmp_path / "server.yaml").write_text(
        "transport: {bind: 'ipc://robots'}\nscheduling: {strategy: round_robin}\n"
    )
    process = serve(MODEL, "--config=server.yaml")
    assert process.address() == "ipc://robots"
    assert process.end(signal.SIGTERM)[0] == 0


def test_an_address_that_is_taken_is_one_line_and_exit_code_1(
    serve: Callable[..., Process],
) -> None:
    address = serve(MODEL, ANY_PORT).address()
    late = serve(MODEL, f"--bind={address}")
    code, said = late.wait()
    assert code == 1
    assert f"inferential serve: bind '{address}'" in said
    assert "Traceback" not in said
