"""docs/security.md: its commands run in this order, and its tables are what there is."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from documented import blocks, commands, text_of

from inferential_core import Connection, InferentialConfig, LocalDispatcher, Server
from inferential_core import cli as command
from inferential_core.config.schema import LimitsConfig
from inferential_core.security.rights import read_rights

PAGE = text_of("security.md")


def test_the_steps_lead_to_a_robot_that_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = []
    for line in commands(PAGE):
        words = shlex.split(line)
        if words[:2] == ["inferential", "keys"]:
            assert command.main(words[1:]) == 0, line
            done.append(line)
        if line.startswith("inferential keys new robot_1"):  # what is carried by hand
            shutil.copy("robot/robot_1.key", "keys")
            shutil.copy("keys/server.key", "robot")
        if line == "inferential keys authorize robot_1":
            assert told_to_the_robot(capsys) == "the server lets this robot in\n"
    assert len(done) == 7
    rights = {each.name: each for each in read_rights(Path("keys/authorized.yaml")).values()}
    assert set(rights) == {"robot_1", "operator"}
    robot, operator = rights["robot_1"], rights["operator"]
    assert operator.may_change("arm") and not robot.may_change("arm")
    assert robot.revoked and (robot.rate_hz, robot.models) == (60.0, ("policy-*",))
    assert "revoked" in capsys.readouterr().out


def test_the_program_shown_tells_why_a_robot_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command.main(["keys", "new", "server"])
    command.main(["keys", "new", "robot_1", "--keys", "robot"])
    shutil.copy("keys/server.key", "robot")
    assert "the server refuses this key" in told_to_the_robot(capsys)
    shutil.copy("robot/robot_1.key", "robot/server.key")
    assert "the connection breaks off while keys are compared" in told_to_the_robot(capsys)


def told_to_the_robot(capsys: pytest.CaptureFixture[str]) -> str:
    """What the page's program prints, where a server with the folder `keys` runs."""
    config = InferentialConfig(http={"bind": "off"}, security={"keys": "keys"})
    capsys.readouterr()
    models = LocalDispatcher({"policy": lambda _: {}})
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=models) as server:
        for program in blocks(PAGE, "python"):
            exec(program.replace("tcp://gpu-box:5555", server.address), {})
    return capsys.readouterr().out


def test_the_entry_shown_can_be_read_and_names_every_right(tmp_path: Path) -> None:
    entry, _ = blocks(PAGE, "yaml")
    path = tmp_path / "authorized.yaml"
    path.write_text(entry)
    ((identity),) = read_rights(path).values()
    shown = set(re.findall(r"^  (\w+):", entry, re.MULTILINE))
    assert shown == set(type(identity).model_fields) - {"name"}
    assert identity.speaks_for("robot_1/tool") and not identity.may_ask("gripper")


def test_the_limits_shown_are_those_of_the_configuration() -> None:
    part = PAGE.partition("## What one client may take")[2].partition("\n## ")[0]
    limits = LimitsConfig()
    for name, told in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", part, re.MULTILINE):
        number, _, unit = told.strip().partition(" ")
        value = getattr(limits, name)
        shown = None if number == "unset" else int(number) * (2**20 if unit == "MiB" else 1)
        assert value == shown, name


def test_every_reason_shown_is_one_that_is_given() -> None:
    folder = Path(command.__file__).parents[1] / "security"
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    part = PAGE.partition("## When somebody is refused")[2].partition("\n## ")[0]
    rows = [line.rpartition(" | ")[2] for line in part.splitlines() if line.startswith("| ")]
    reasons = [each for row in rows[1:] for each in re.findall(r"`([a-z ,]+)`", row)]
    assert len(reasons) == 10
    for reason in reasons:
        assert f'"{reason}"' in source, reason
    assert InferentialConfig(security={"allow_insecure": True}).security.allow_insecure
    assert Connection.refusal.__doc__
