"""`inferential config`, and `inferential serve --config` that follows its file."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import queue
import re
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import inferential_core
from inferential_core import Connection, InferentialConfig, Status
from inferential_core import cli as command
from inferential_core.security.keyfiles import make_keys

SOON_S = 30.0  # a bound, not a duration
ROOT = Path(inferential_core.__file__).parent.parent

TEXT = """\
scheduling:
  strategy: round_robin
  request_ttl_ms: .inf
clients:
  known:
    - {id: arm, priority: 0}
dispatch: {models: {policy: "my_models:policy"}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INFERENTIAL_HTTP__BIND", raising=False)  # of the tests' surroundings
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "server.yaml"
    path.write_text(TEXT)
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert command.main(["config", *arguments]) == 0
    return capsys.readouterr().out


def test_show_is_a_file_that_can_be_loaded_with_every_value_and_its_origin(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE", "16")
    shown = said(capsys, "show", "server.yaml")
    origin = dict(re.findall(r"^ *(\w+): .*?  # (.*)$", shown, re.MULTILINE))
    assert origin["strategy"] == "server.yaml:2"
    assert origin["known"] == "server.yaml:5"
    assert origin["max_queue_size"] == "default"
    assert "\n  max_batch_size: 16 " in shown
    assert "# INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE" in shown
    config = InferentialConfig(**yaml.safe_load(shown))
    assert config.scheduling.max_batch_size == 16
    assert config.clients.known[0].id == "arm"
    monkeypatch.delenv("INFERENTIAL_SCHEDULING__MAX_BATCH_SIZE")
    assert InferentialConfig(**yaml.safe_load(said(capsys, "show"))) == InferentialConfig()


def test_show_changed_leaves_the_defaults_out(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = said(capsys, "show", "--changed", "server.yaml")
    assert yaml.safe_load(shown) == yaml.safe_load(TEXT)
    assert yaml.safe_load(said(capsys, "show", "--changed")) == {}


def test_check_counts_what_is_set(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    valid, unchecked = said(capsys, "check", "server.yaml").splitlines()
    assert valid.startswith("server.yaml: valid; 4 settings")
    assert unchecked.startswith("unchecked: whether its models can be made")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scheduling:\n  max_batch_size: 0\n", "server.yaml:2: scheduling.max_batch_size: 0 is"),
        (
            "\nscheduling:\n  strategy: round_robbin\n",
            "server.yaml:3: scheduling.strategy: strategy 'round_robbin' is not registered:"
            " did you mean 'round_robin'?",
        ),
        (
            "scheduling:\n  policy: calm\n",
            "server.yaml:2: scheduling.policy: policy 'calm' is not registered",
        ),
        ("http:\n  bind: gpu-box\n", "server.yaml:2: http.bind: 'gpu-box': write HOST:PORT"),
        (
            "dispatch:\n  models:\n    arm: my_policy\n",
            "server.yaml:3: dispatch.models.arm: model 'arm:=my_policy': write name=module:",
        ),
        (
            "dispatch: {models: {arm: 'my_policy:Policy'}}\nlocal: {process: [slow]}\n",
            "server.yaml:2: local.process: process for 'slow', which is none of ['arm']",
        ),
        (
            "dispatch: {models: {arm: 'my_policy:Policy'}}\nlocal: {lanes: {arn: 2}}\n",
            "server.yaml:2: local.lanes: lanes for 'arn', which is none of ['arm']",
        ),
        ("security: {keys: nothere}\n", "server.yaml:1: security.keys: "),
        ("transport: {bind: 'tcp://0.0.0.0:5555'}\n", "there are no keys: make some"),
        ("http: {bind: '127.0.0.1:5580', token_file: nothere}\n", "http.token_file nothere: "),
        ("doors: [{kind: openpy, bind: '127.0.0.1:8000'}]\n", "did you mean 'openpi'?"),
        (
            "doors: [{kind: openpi, bind: ':8000'}, {kind: gr00t, bind: '*:8000'}]\n"
            "security: {allow_insecure: true}\n",
            "door 'gr00t': bind '*:8000': door 'openpi': bind ':8000' is the same address",
        ),
        (
            "doors: [{kind: openpi, bind: ':8000'}, {kind: openpi, bind: ':8000'}]\n",
            "is the same address; give each a port of its own",
        ),
        (
            "doors: [{kind: openpi, bind: 'ws://127.0.0.1:8000'}]\n",
            "'ws://127.0.0.1:8000': write HOST:PORT, without ws://",
        ),
        (
            "doors: [{kind: openpi, bind: ':0', certificate: server.yaml}]\n",
            "door 'openpi': certificate 'server.yaml' holds no certificate in PEM",
        ),
        (
            "doors: [{kind: openpi, bind: ':0', certificate: no.pem}]\n",
            "door 'openpi': certificate 'no.pem': No such file or directory",
        ),
    ],
)
def test_check_says_what_is_wrong_and_where_and_exits_1(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    file.write_text(text)
    assert command.main(["config", "check", "server.yaml"]) == 1
    assert told in capsys.readouterr().err


def test_check_misses_the_identity_of_a_door(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_keys(file.parent, "server")
    (file.parent / "authorized.yaml").write_text("{}")
    file.write_text("security: {keys: .}\ndoors: [{kind: openpi, bind: ':0', identity: nobody}]\n")
    assert command.main(["config", "check", "server.yaml"]) == 1
    assert "doors.identity 'nobody': nobody is called that in" in capsys.readouterr().err


def test_check_imports_the_strategies_of_the_user(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file.parent / "calm_policies.py").write_text(
        "from inferential_core import register_policy\n"
        "@register_policy('calm_one')\ndef score(request):\n    return 1.0\n"
    )
    file.write_text("scheduling: {policy: calm_one, modules: [calm_policies]}\n")
    assert "valid" in said(capsys, "check", "server.yaml")
    file.write_text("scheduling:\n  policy: calm_one\n  modules: [calm_polices]\n")
    assert command.main(["config", "check", "server.yaml"]) == 1
    told = "server.yaml:3: scheduling.modules: module 'calm_polices' cannot be imported: No module"
    assert told in capsys.readouterr().err


def test_the_schema_is_json_with_a_description_for_each_key(
    capsys: pytest.CaptureFixture[str],
) -> None:
    schema = json.loads(said(capsys, "schema"))
    assert schema["properties"]["scheduling"]["description"]


# --- a server that follows its file ---


LOCAL = ("--dispatcher=local", "--bind=tcp://127.0.0.1:*", "--http=off")
ARGUMENTS = ("--config=server.yaml", *LOCAL)


class Serving:
    """`inferential serve --config server.yaml` in a folder, and its log lines as they come."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "inferential_core.cli", "serve", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        pipes = (self.process.stdout, self.process.stderr)
        self._readers = [threading.Thread(target=self._read, args=(pipe,)) for pipe in pipes]
        for reader in self._readers:
            reader.start()

    def wait_for(self, text: str) -> str:
        """The first line from here on with this in it."""
        seen = []
        while True:
            try:
                seen.append(self._lines.get(timeout=SOON_S))
            except queue.Empty:
                raise AssertionError(f"{text!r} is not in {seen}") from None
            if text in seen[-1]:
                return seen[-1].strip()

    def close(self) -> None:
        self.process.kill()
        for reader in self._readers:
            reader.join()
        self.process.wait()

    def _read(self, pipe: Iterable[str]) -> None:
        for line in pipe:
            self._lines.put(line)


@pytest.fixture
def serving(file: Path) -> Iterator[Serving]:
    (file.parent / "my_models.py").write_text("def policy(obs):\n    return dict(obs)\n")
    serving = Serving(file.parent, *ARGUMENTS, INFERENTIAL_LIMITS__MAX_TENSORS="2")
    yield serving
    serving.close()


def test_a_hangup_makes_a_serving_process_read_its_file_again(
    serving: Serving, file: Path
) -> None:
    address = serving.wait_for("serving policy on ").split()[-1]

    def ask(client: str, **arrays: np.ndarray) -> tuple[Status, str]:
        with Connection(address, client_id=client) as connection:
            model = connection.model("policy")
            model.observe(**(arrays or {"state": np.ones(1)}))
            reply = model.get_reply(1000 * SOON_S)
            assert reply is not None
            return reply.status, reply.error

    assert ask("stranger") == (Status.OK, "")
    new = TEXT.replace("clients:\n", "clients:\n  accept_unknown: false\n") + "ray: {max_batch: 3}"
    new += "\nlease: {models: {policy: 90}}"
    file.write_text(new.replace("round_robin", "priority_tiered"))
    serving.process.send_signal(signal.SIGHUP)
    line = serving.wait_for("is applied")
    assert "scheduling.strategy: 'round_robin' -> 'priority_tiered'" in line
    assert "clients.accept_unknown: True -> False" in line
    assert "lease.models: {} -> {'policy': 90.0}" in line
    assert "ray.max_batch" in serving.wait_for("these changes need a restart")
    assert ask("stranger")[0] is Status.REJECTED
    assert ask("arm") == (Status.OK, "")
    # the address of the command line and the limit of the environment go on to hold
    three = {name: np.ones(1) for name in "abc"}
    assert "limit 2" in ask("arm", **three)[1]
    file.write_text("scheduling: {strategy: 5}")
    line = serving.wait_for("is not applied")
    assert "server.yaml:1: scheduling.strategy: 5 is not a text" in line
    assert ask("arm") == (Status.OK, "")
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(SOON_S) == 0


def test_closing_the_terminal_it_was_started_from_ends_it(file: Path) -> None:
    (file.parent / "my_models.py").write_text("def policy(obs):\n    return dict(obs)\n")
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "inferential_core.cli", "serve", *ARGUMENTS],
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=its,
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        text=True,
    )
    os.close(its)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], SOON_S)[0]
        assert "serving policy" in process.stdout.readline()
        process.send_signal(signal.SIGHUP)  # with its terminal there: reads the file again
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        os.close(ours)  # the kernel tells it by the same signal
        assert process.wait(SOON_S) == 0
    finally:
        process.kill()
        process.communicate()
