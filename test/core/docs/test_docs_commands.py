"""Every command that the documents show is understood by what it calls, and every link leads."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from documented import PAGES, ROOT, blocks, commands

from inferential_core.cli import COMMANDS
from inferential_core.config import load_config
from inferential_ros.bringup import arguments

# What neither runs nor is parsed here, and why it is right.
ELSEWHERE = {
    "rosdep install --from-paths src --ignore-src -y": "needs a ROS 2 installation: by hand",
    "colcon build --packages-select inferential": "test/launch/test_workspace_build.py",
    "source install/setup.bash": "test/launch/test_workspace_build.py",
    "python3 -m venv .venv-inferential": "test/core/server/test_bare_install.py makes one",
    "source .venv-inferential/bin/activate": "what venv makes",
    "sudo cp config/systemd/inferential-server.service /etc/systemd/system/": "needs systemd",
    "sudo systemctl enable --now inferential-server": "needs systemd",
}
LAUNCH = {
    "server.launch.py": arguments.SERVER_ARGUMENTS,
    "robot.launch.py": arguments.ROBOT_ARGUMENTS,
    "demo.launch.py": arguments.DEMO_ARGUMENTS,
}
# A name in running text, such as `inferential config show`, not a line to type.
NAMES = {
    *("config show", "config check", "config schema", "contract check"),
    *("keys new", "model load", "model show", "serve --config"),
}


class Understood(Exception):
    """The arguments were parsed: the command would begin now."""


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end once their arguments are parsed."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: Any, args: Any = None, namespace: Any = None) -> None:
        raise Understood(parse(parser, args, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)


def shown() -> list[Any]:
    found = []
    for page in PAGES:
        text = page.read_text()
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        named = [" ".join(it.split()) for it in re.findall(r"`inferential ([a-z][^`]*)`", prose)]
        lines = commands(text)
        lines += [f"inferential {it}" for it in named if " " in it and it not in NAMES]
        for line in dict.fromkeys(lines):
            found.append(pytest.param(line, id=f"{page.stem}: {line[:60]}"))
    return found


@pytest.mark.parametrize("line", shown())
def test_a_command_is_understood(line: str, parsing: None) -> None:
    words = shlex.split(line)
    if line in ELSEWHERE:
        return
    if words[0] == "inferential":
        assert_parsed(words[1], words[2:])
    elif words[:3] == ["ros2", "launch", "inferential"]:
        arguments = {argument.name: argument for argument in LAUNCH[words[3]]}
        for word in words[4:]:
            name, _, value = word.partition(":=")
            arguments[name].parse(value)
    elif words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif words[:2] == ["pip", "install"]:
        for extra in re.findall(r"\[(\w+)\]", line):
            assert f'"{extra}":' in (ROOT / "setup.py").read_text()
    elif words[0] == "export":
        name, _, value = words[1].partition("=")
        load_config(environ={name: value})
    elif words[0] == "ray":
        cli = pytest.importorskip("ray.scripts.scripts", reason="Ray is not installed").cli
        cli.commands[words[1]].make_context(words[1], words[2:])
    else:
        pytest.fail("nobody looks after this command")


def assert_parsed(command: str, arguments: list[str]) -> None:
    module, _, function = COMMANDS[command][0].partition(":")
    try:
        main = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        pytest.skip(f"needs {error.name}")
    with pytest.raises(Understood):
        main(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file) if file else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(anchor_of, headings), link


def anchor_of(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture


def test_all_python_of_the_documents_compiles() -> None:
    for page in PAGES:
        for number, block in enumerate(blocks(page.read_text(), "python")):
            # as a notebook does, whose cells may await
            compile(block, f"{page.name} [{number}]", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
