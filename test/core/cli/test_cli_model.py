"""`inferential model load`, `replace` and `unload` against a server of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inferential_core import Connection, LocalDispatcher, Server
from inferential_core import cli as command
from inferential_core.config import InferentialConfig
from inferential_core.control import caller, place
from inferential_core.errors import ConfigError

LONG_MS = 20_000
CALL = "inferential-control-call"  # the thread that serves an operator
ONE = """
import numpy as np

class One:
    version = "1"
    def infer(self, observation):
        return {"actions": np.ones((1, 1))}

class Two(One):
    version = "2"

class Leaving(One):
    def __init__(self):
        raise SystemExit(3)

class Broken(One):
    def warm_up(self):
        raise MemoryError("the card holds 24 GB")

class Slow(One):
    def __init__(self):
        import time
        time.sleep(2.5)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "these_models.py").write_text(ONE)
    sys.modules.pop("these_models", None)
    return tmp_path


@contextlib.contextmanager
def serving(socket_setting: str = "auto") -> Iterator[Server]:
    config = InferentialConfig(control={"socket": socket_setting})
    dispatcher = LocalDispatcher({"arm": "these_models:One"})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        yield server


def version(server: Server, model: str = "arm") -> str:
    with Connection(server.address, client_id="robot") as connection:
        handle = connection.model(model, latency_budget_ms=LONG_MS)
        handle.observe(x=np.zeros(1))
        return handle.get_reply(timeout_ms=LONG_MS).model_version


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = command.main(["model", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_models_are_replaced_loaded_and_unloaded(capsys: Any) -> None:
    with serving() as server:
        code, text = said(capsys, "replace", "arm=these_models:Two")
        assert (code, text.partition(", in ")[0]) == (0, "model arm is replaced")
        assert version(server) == "2"
        assert said(capsys, "load", "leg:=these_models:One", "--lanes", "2")[0] == 0
        assert version(server, "leg") == "1"
        assert {model["lanes"] for model in server.status()["models"]} == {1, 2}
        assert said(capsys, "unload", "leg", "--server", server.address)[0] == 0
        assert [model["id"] for model in server.status()["models"]] == ["arm"]


def test_why_a_model_cannot_be_loaded_is_told_with_the_last_lines(
    capsys: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as server:
        code, text = said(capsys, "replace", "arm=these_models:Broken", "--unload-first")
        assert code == 1
        assert "model 'arm' is not replaced" in text and "the card holds 24 GB" in text
        assert 'these_models.py", line ' in text and "in warm_up" in text
        assert "inferential_core" not in text  # where that was called is no help
        (logged,) = [line for line in caplog.messages if "is not replaced" in line]
        assert logged.endswith(")") and "\n" not in logged
        assert version(server) == "1"


def test_a_model_that_takes_long_is_told_from_its_beginning_on_though_who_asked_has_gone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    caplog.set_level("INFO")
    with serving() as server:
        with socket.socket(socket.AF_UNIX) as operator:
            operator.connect(str(place.sockets()[0]))
            request = {"do": "load", "model": "leg", "target": "these_models:Slow"}
            operator.sendall(json.dumps(request).encode() + b"\n")
            operator.recv(1)  # it is being done
        while calls := [each for each in threading.enumerate() if each.name == CALL]:
            calls[0].join()
        assert version(server, "leg") == "1"
    told = [line for line in caplog.messages if "'leg'" in line]
    assert told[:2] == [
        "model 'leg' is being loaded",
        "model 'leg' is being loaded, for 2 s now",
    ]
    assert told[-1].startswith("model 'leg' is loaded, in 2.")
    assert broken == []


def test_a_model_that_would_end_the_server_is_told_and_the_server_goes_on(capsys: Any) -> None:
    with serving() as server:
        code, text = said(capsys, "load", "leg=these_models:Leaving")
        assert code == 1 and "SystemExit: 3 (these_models.py:14)" in text
        assert version(server) == "1"


def test_mistakes_are_told(capsys: Any) -> None:
    assert "write NAME=MODULE:ATTRIBUTE" in said(capsys, "load", "arm")[1]
    assert "no server of this user runs on this machine" in said(capsys, "unload", "arm")[1]
    code, text = said(capsys, "lode")
    assert code == 2 and "there is no action 'lode'" in text
    with serving() as one, serving() as other:
        code, text = said(capsys, "unload", "arm")
        assert code == 1 and one.address in text and other.address in text
        code, text = said(capsys, "unload", "arm", "--server", "tcp://127.0.0.1:1")
        assert "no server of this user is at tcp://127.0.0.1:1; there is" in text
        code, text = said(capsys, "unload", "arm", "--server", "nonsense")
        assert "write the address that robots connect to" in text and one.address in text
        code, text = said(capsys, "unload", "arn", "--server", one.address)
        assert "did you mean 'arm'" in text


@pytest.mark.parametrize(
    ("address", "bound", "found"),
    [
        ("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555", True),
        ("localhost:5555", "tcp://127.0.0.1:5555", True),
        ("tcp://gpu-box:5555", "tcp://0.0.0.0:5555", True),
        ("127.0.0.1:5556", "tcp://0.0.0.0:5555", False),
        ("tcp://127.0.0.1:5555", "tcp://10.0.0.2:5555", False),
        ("ipc:///run/x", "ipc:///run/x", True),
        ("nonsense", "tcp://0.0.0.0:5555", False),
    ],
)
def test_a_server_is_found_by_what_robots_connect_to(
    address: str, bound: str, found: bool
) -> None:
    assert caller._is_at(address, bound) is found


def test_a_server_that_hangs_is_there_all_the_same(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "_PATIENCE_S", 1.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        hanging.bind(str(place.socket_of(999_999_999, 9)))
        hanging.listen()  # and never answers, as one that is stopped
        mute = "one that does not answer, of the process 999999999"
        assert f"the only server here is {mute}" in said(capsys, "unload", "arm")[1]
        with pytest.raises(caller.CannotControl, match="has not answered for 1 s"):
            caller.call(place.socket_of(999_999_999, 9), {"do": "drain"})
        with serving() as server:
            code, text = said(capsys, "unload", "arm")
            assert code == 1 and f"name one with --server: {server.address}, {mute}" in text
            assert version(server) == "1"
            code, text = said(capsys, "unload", "arm", "--server", "tcp://127.0.0.1:1")
            assert code == 1 and f"there is {server.address}, {mute}" in text
            monkeypatch.setattr(caller, "_PATIENCE_S", 20.0)  # this one is found before it
            assert said(capsys, "unload", "arm", "--server", server.address)[0] == 0
    with pytest.raises(caller.CannotControl, match="ended before it was done"):
        caller.call(place.socket_of(124, 9), {"do": "drain"})


def test_a_server_that_was_told_so_listens_to_no_command(own_folder: Path) -> None:
    for setting in ("", "off"):
        with serving(setting):
            assert place.sockets() == []


def test_only_its_user_reaches_a_server_and_nothing_stays_when_it_stops(own_folder: Path) -> None:
    with serving():
        (path,) = place.sockets()
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == []
    path.parent.chmod(0o755)
    with pytest.raises(ConfigError, match="other users can reach it"):
        place.folder()
    with serving() as server:  # robots are served all the same
        assert version(server) == "1"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_who_reaches_the_socket_is_refused(own_folder: Path) -> None:
    with serving() as server:
        (path,) = place.sockets()
        for each in (path, *path.parents):  # as a mistake of the operator's would have it
            each.chmod(0o777)
        script = f"""if True:
            import os, socket, sys
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as server:
                server.connect({str(path)!r})
                server.sendall(b'{{"do": "unload", "model": "arm"}}\\n')
                sys.stdout.write(server.makefile().readline())
        """
        words = [sys.executable, "-c", script]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert "only the server's own user and root" in json.loads(told)["error"]
        assert version(server) == "1"


def test_nonsense_on_the_socket_is_answered_and_a_dead_server_is_forgotten() -> None:
    with serving() as server:
        (path,) = place.sockets()
        for nonsense in (b"\n", b"[]\n", b'{"do": "fly"}\n', b'{"do": "load", "model": 1}\n'):
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(path))
                peer.sendall(nonsense)
                assert "cannot be read" in json.loads(peer.makefile().readline())["error"]
        assert version(server) == "1"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path.with_name("1-1.sock")))
        assert caller.find() == path
        assert place.sockets() == [path]
