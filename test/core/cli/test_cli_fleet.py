"""`inferential status`, `top` and `bench` against a server: what they say and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web_client import ask

from inferential_core import Connection, LocalDispatcher, Reply, Server, Status, UsageError
from inferential_core import cli as command
from inferential_core.cli import figures
from inferential_core.cli.load import Load
from inferential_core.cli.sample_observation import observation
from inferential_core.config import InferentialConfig
from inferential_core.wire.arrays import SUPPORTED

pytestmark = pytest.mark.skipif(find_spec("uvicorn") is None, reason="uvicorn is not installed")
needs_rich = pytest.mark.skipif(find_spec("rich") is None, reason="rich is not installed")

PATIENCE_S = 30.0  # a bound, not a duration


class Model:
    """Says what it takes; fails where it is told to."""

    version = "v3"
    specification = {
        "observation": {
            "joints": {"dtype": "float32", "shape": [7]},
            "camera": {"dtype": "uint8", "shape": [4, 4, 3]},
            "task": {"dtype": "string", "optional": True},
        }
    }

    def infer_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if any(obs.get("task") == "fail" for obs in batch):
            raise ValueError("no such task")
        return [{"actions": np.zeros((4, 7), np.float32)} for _ in batch]


@pytest.fixture
def server() -> Iterator[Server]:
    config = InferentialConfig(http={"bind": "127.0.0.1:0"})
    dispatcher = LocalDispatcher({"policy": Model()})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        yield server
        while ROBOTS:
            ROBOTS.pop().close()


ROBOTS: list[Connection] = []  # who closes its connection is gone, and no robot any more


def answered(server: Server, name: str, budget_ms: float = 20_000, **more: Any) -> None:
    connection = Connection(server.address, client_id=name, client_type="arm")
    ROBOTS.append(connection)
    model = connection.model("policy", latency_budget_ms=budget_ms)
    joints, camera = np.zeros(7, np.float32), np.zeros((4, 4, 3), np.uint8)
    model.observe(joints=joints, camera=camera, **more)
    assert model.get_reply(timeout_ms=1000 * PATIENCE_S) is not None


# --- status ---


def test_status_tells_robots_models_and_the_sum(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(server, "arm-1")
    assert command.main(["status", "--server", server.page]) == 0
    said = capsys.readouterr().out
    assert "robots: 1 active" in said
    assert "1 received = 1 ok + 0 queued + 0 in flight" in said
    assert "model policy: room for robots: " in said


@pytest.mark.parametrize(
    ("room", "is_least", "told"),
    [
        (3.0, False, "3 more"),
        (3.0, True, "at least 3 more"),
        (0.0, False, "full"),
        (0.0, True, "at least 0 more"),
        (-2.0, False, "2 too many"),
        (-2.0, True, "at most 2 too many"),
        (None, True, "?"),
    ],
)
def test_room_that_is_a_lower_bound_is_told_as_such(
    room: float | None, is_least: bool, told: str
) -> None:
    assert figures.room({"headroom": room, "headroom_is_least": is_least}) == told


def test_a_robot_that_starves_is_named_and_makes_the_exit_code_3(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(server, "arm-1", task="fail")
    assert command.main(["status", "--server", server.page.removeprefix("http://")]) == 3
    said = capsys.readouterr().out
    assert "▲ arm-1 is starving: 1 not answered of 1 in 3 s: error: ValueError: no such" in said
    assert "1 errors" in said


def test_status_as_json_is_what_the_server_tells(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(server, "arm-1")
    assert command.main(["status", "--json", "--server", server.page]) == 0
    told = json.loads(capsys.readouterr().out)
    known = ask(server.page, "/api/status").json()
    assert told.keys() == known.keys()
    assert told["received"] == known["received"] == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    command_line = [sys.executable, "-m", "inferential_core.cli", "config", "schema"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command_line, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 141


@pytest.mark.parametrize("name", ["status", "top"])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:1", "no server at http://127.0.0.1:1"),
        ("tcp://127.0.0.1:5555", "robots connect to tcp://127.0.0.1:5555"),
        ("http://[::1", "no server at http://[::1 (Invalid IPv6 URL)"),
        ("foo:bar", "--server http://foo:bar: the port must be a number"),
        ("http://127.0.0.1:99999/", "the port must be a number up to 65535"),
        ("http://gpu box", "no server at http://gpu box (URL can't contain"),
    ],
)
def test_without_a_server_it_says_what_to_do_and_the_exit_code_is_1(
    name: str, address: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "top" and find_spec("rich") is None:
        pytest.skip("rich is not installed")
    assert command.main([name, "--server", address]) == 1
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


def test_the_address_of_the_robots_is_told_at_once_as_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inferential_core.cli.server_status.PATIENCE_S", None)  # it is not needed
    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": Model()})) as server:
        address = server.address.replace("tcp", "http")
        assert command.main(["status", "--server", address]) == 1
    assert f"robots connect to {address}, but the status comes" in capsys.readouterr().err


def test_a_token_is_taken_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    token.write_text("two-dozen-letters-at-least\n")
    token.chmod(0o600)
    config = InferentialConfig(http={"bind": "127.0.0.1:0", "token_file": str(token)})
    dispatcher = LocalDispatcher({"policy": Model()})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        assert command.main(["status", "--server", server.page]) == 1
        assert "--token-file" in capsys.readouterr().err
        arguments = ["status", "--server", server.page, "--token-file", str(token)]
        assert command.main(arguments) == 0


@pytest.mark.parametrize("name", ["status", "top", "bench"])
def test_help_begins_with_what_it_is_for(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command.main([name, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: inferential {name}")
    assert "--server" in said and ("example:" in said or "exit code:" in said)


# --- top ---


@needs_rich
def test_top_once_prints_robots_worst_first_and_what_they_call_themselves_as_it_is(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    answered(server, "[red]arm\x1b[2J")
    answered(server, "zeta", task="fail")
    assert command.main(["top", "--once", "--server", server.page]) == 0
    said = capsys.readouterr().out
    assert said.index("▲ starving") < said.index("● active")
    assert "[red]arm [2J" in said and "\x1b[2J" not in said
    assert "policy v3" in said and "2 received = 1 ok + 1 errors" in said


@needs_rich
def test_top_with_a_robot_of_a_very_long_name_still_says_all_of_everybody(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    answered(server, "x" * 200)
    answered(server, "arm-1", task="fail")
    assert command.main(["top", "--once", "--server", server.page]) == 0
    said = capsys.readouterr().out
    assert "on time" in said and "runway" in said and "xxxx…" in said
    assert "not answered of 1 in 3 s: error: ValueError" in said


@needs_rich
def test_top_is_live_until_q_and_leaves_the_terminal_as_it_was(server: Server) -> None:
    answered(server, "arm-1")
    with terminal(["top", "--server", server.page, "--every", "0.1"]) as (process, screen):
        read_until(screen, "arm-1")
        answered(server, "arm-2")
        read_until(screen, "arm-2")
        os.write(screen, b"q")
        read_until(screen, "\x1b[?1049l")  # back to the other screen
        assert process.wait(PATIENCE_S) == 0


@needs_rich
def test_top_ends_at_ctrl_c_and_outlives_its_server(server: Server) -> None:
    with terminal(["top", "--server", server.page, "--every", "0.1"]) as (process, screen):
        read_until(screen, "no robot yet")
        server.stop()
        read_until(screen, "no server at")
        os.write(screen, b"\x03")
        assert process.wait(PATIENCE_S) == 0


@contextlib.contextmanager
def terminal(arguments: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command in a terminal of its own, and that terminal's other end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_TERMINAL, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "COLUMNS": "150", "LINES": "40", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


_IN_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from inferential_core.cli import main
sys.exit(main(sys.argv[1:]))
"""


def read_until(screen: int, text: str) -> None:
    said = ""
    deadline = time.monotonic() + PATIENCE_S
    while text not in said:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([screen], [], [], left)[0], said
        said += os.read(screen, 65536).decode(errors="replace")


# --- bench ---


def test_bench_loads_a_server_with_what_its_model_specifies(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "load.png"
    arguments = "--robots 5 --hz 20 --seconds 0.5".split()
    if find_spec("matplotlib") is not None:
        arguments += ["--plot", str(picture)]
    assert command.main(["bench", "--server", server.address, *arguments]) == 0
    said = capsys.readouterr().out
    assert "joints float32[7], camera uint8[4, 4, 3]" in said
    status = server.status()
    assert status["received"] - 1 == status["ok"] - 1 == 50  # one asked for the specification
    assert "sent 50 observations (100 a second): 50 ok" in said
    assert "round trip p50" in said and "in time" in said and "of a core here" in said
    if "--plot" in arguments:
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_bench_asks_the_servers_that_the_environment_names(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENTIAL_SERVER", f"tcp://127.0.0.1:1,{server.address}")
    assert command.main("bench --robots 1 --hz 20 --seconds 0.2".split()) == 0
    assert "4 ok" in capsys.readouterr().out


def test_bench_as_json_tells_every_end(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--robots 2 --hz 20 --seconds 0.2 --json --budget-ms 0.0001".split()
    assert command.main(["bench", "--server", server.address, *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sent"] == 8 == told["outcomes"]["ok"]
    assert told["unanswered"] == 0 and told["in_time"] == 0.0
    assert 0.0 < told["p50_ms"] <= told["p95_ms"] <= told["p99_ms"]


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_bench_with_a_picture_is_json_all_the_same(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "load.png"
    arguments = f"--robots 1 --hz 20 --seconds 0.2 --json --plot {picture}".split()
    assert command.main(["bench", "--server", server.address, *arguments]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["sent"] == 4 and f"the picture is in {picture}" in said.err


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.parametrize(
    ("name", "told"),
    [("load.foo", "must end in one of"), ("not/there.png", "cannot be written")],
)
def test_bench_says_before_the_load_that_there_can_be_no_picture(
    name: str, told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    address = "tcp://127.0.0.1:1"  # nobody: it is not asked
    assert command.main(["bench", "--server", address, "--plot", str(tmp_path / name)]) == 1
    assert told in capsys.readouterr().err


def test_bench_counts_errors_as_one_that_differ_in_a_time() -> None:
    load = Load()
    for reason in ("no weights, next try in 0.9 s", "no weights, next try in 0.8 s", "other"):
        load.take(Reply(1, "policy", Status.ERROR, 0.0, 1.0, reason), 0.0, 1.0)
    assert load.errors == {"no weights, next try in 0.9 s": 2, "other": 1}


def test_bench_reports_what_there_is_at_ctrl_c(server: Server) -> None:
    arguments = f"bench --server {server.address} --robots 3 --hz 20 --seconds 600".split()
    process = subprocess.Popen(
        [sys.executable, "-m", "inferential_core.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while server.status()["ok"] < 7 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, wrong = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert (process.returncode, wrong) == (130, "")
    assert "\nsent " in said and " ok" in said and "round trip p50" in said


def test_bench_tells_why_there_is_no_answer(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "--robots 1 --hz 10 --seconds 0.1 --model polcy".split()
    assert command.main(["bench", "--server", server.address, *arguments]) == 1
    assert "did you mean 'policy'?" in capsys.readouterr().err


def test_bench_without_a_server_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inferential_core.cli.bench._PATIENCE_MS", 1500.0)
    monkeypatch.setattr("inferential_core.log.waiting.EVERY_S", 0.5)
    assert command.main(["bench", "--server", "tcp://127.0.0.1:1"]) == 1
    told = capsys.readouterr().err
    assert "no server answers at tcp://127.0.0.1:1" in told
    assert re.search(r"^asking .* \(nothing listens on port 1 .*\), for \d s now$", told, re.M)


@pytest.mark.parametrize(
    ("declared", "told", "words"),
    [
        ({}, ["x=int64[2, 3]", "n=float64"], "x int64[2, 3], n float64[]"),
        (Model.specification, [], "joints float32[7], camera uint8[4, 4, 3]"),
        (Model.specification, ["extra=uint8[1]"], "joints float32[7], camera uint8[4, 4, 3], "),
    ],
)
def test_an_observation_is_made_of_what_is_specified_and_told(
    declared: dict, told: list[str], words: str
) -> None:
    values, said = observation(declared, told)
    assert said.startswith(words)
    assert all(value.any() for value in values.values() if isinstance(value, np.ndarray))


def test_every_dtype_that_the_wire_carries_may_be_stated() -> None:
    kinds = [
        kind for kind in SUPPORTED.split(", ") if kind != "bfloat16" or find_spec("ml_dtypes")
    ]
    values, _ = observation({}, [f"{kind}={kind}[2,0]" for kind in kinds])
    assert {key: value.dtype.name for key, value in values.items()} == dict(zip(kinds, kinds))
    values, _ = observation({}, ["x=float32[3]", "y=uint8", "z=int64[1500000]"])
    assert values["x"].any() and values["y"].shape == () and values["z"].all()
    with pytest.raises(UsageError, match="no message is so large"):
        observation({}, ["x=float64[300000000]"])


def test_a_wrong_shape_and_an_open_size_are_told() -> None:
    with pytest.raises(UsageError, match=r"write KEY=DTYPE\[SIZES\], such as joints=float32\[7\]"):
        observation({}, ["joints:7"])
    with pytest.raises(UsageError, match="does not specify what it takes: .* --shape KEY=DTYPE"):
        observation({}, [])
    open_size = {"observation": {"camera": {"dtype": "uint8", "shape": [None, None, 3]}}}
    with pytest.raises(UsageError, match="--shape 'camera="):
        observation(open_size, [])
    assert observation(open_size, ["camera=uint8[8,8,3]"])[1] == "camera uint8[8, 8, 3]"


# --- several servers ---


def test_several_servers_are_shown_as_one_fleet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    http = {"bind": "127.0.0.1:0"}
    config = InferentialConfig(transport={"bind": "tcp://127.0.0.1:*"}, http=http)
    servers = [
        Server(config=config, dispatcher=LocalDispatcher({"policy": lambda obs: obs}))
        for _ in range(2)
    ]
    with servers[0] as first, servers[1] as second:
        for number, server in enumerate((first, second, second)):
            with Connection(server.address, client_id=f"robot-{number}") as robot:
                model = robot.model("policy")
                model.observe(x=np.zeros(1))
                assert model.get_result(20_000) is not None
        pages = f"{first.page},{second.page}"
        assert command.main(["status", "--server", pages]) == 0
        told = capsys.readouterr().out
        assert told.startswith("robots of all servers: ")
        assert first.address in told and second.address in told
        assert command.main(["status", "--json", "--server", pages]) == 0
        assert [each["received"] for each in json.loads(capsys.readouterr().out)] == [1, 2]
        assert command.main(["top", "--once", "--server", pages]) == 0
        told = capsys.readouterr().out
        assert "3 received = 3 ok" in told
        port = first.address.rpartition("/")[2]
        assert f"policy at {port}" in told
        assert command.main(["status", "--server", f"{pages},127.0.0.1:1"]) == 3
        assert "▲ no server at http://127.0.0.1:1" in capsys.readouterr().out


def test_a_server_that_drains_says_so_and_is_not_ready(
    capsys: pytest.CaptureFixture[str],
) -> None:
    http = {"bind": "127.0.0.1:0"}
    config = InferentialConfig(transport={"bind": "tcp://127.0.0.1:*"}, http=http)
    models = LocalDispatcher({"policy": lambda obs: obs})
    with Server(config=config, dispatcher=models) as server:
        assert ask(server.page, "/readyz").status == 200
        assert server.drain()
        assert ask(server.page, "/readyz").status == 503
        assert ask(server.page, "/healthz").status == 200
        assert command.main(["status", "--server", server.page]) == 0
        assert ", draining" in capsys.readouterr().out.splitlines()[0]


def test_a_page_that_is_named_twice_is_refused_as_it_would_count_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = "http://127.0.0.1:5580,127.0.0.1:5580/"
    assert command.main(["status", "--server", both]) == 1
    assert "'127.0.0.1:5580' is named twice: name it once" in capsys.readouterr().err
