"""docs/embedding.md: each of its programs runs, and ends as the page says."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from documented import text_of
from embedded import LONG_S, ending, program

PAGE = text_of("embedding.md")
SHAPE = "(50, 7)\n"


def snippet(heading: str) -> str:
    section = PAGE.split(f"## {heading}\n")[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_program_with_threads_ends_with_its_own_code(tmp_path: Path) -> None:
    with program(tmp_path, snippet("In a program with threads")) as process:
        assert ending(process) == (3, SHAPE)


def test_a_program_with_asyncio_ends(tmp_path: Path) -> None:
    with program(tmp_path, snippet("In a program with asyncio")) as process:
        assert ending(process) == (0, SHAPE)


def test_a_notebook_serves_from_cell_to_cell(capsys: pytest.CaptureFixture[str]) -> None:
    async def notebook() -> None:
        names: dict[str, object] = {}
        for cell in snippet("In a notebook").split("\n\n"):
            code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            ran = eval(code, names)
            if inspect.isawaitable(ran):
                await ran

    asyncio.run(notebook())
    assert capsys.readouterr().out == SHAPE


def test_a_test_with_pytest_passes(tmp_path: Path) -> None:
    (tmp_path / "test_policy.py").write_text(snippet("In tests with pytest"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout


def test_several_servers_end_on_sigterm(tmp_path: Path) -> None:
    text = snippet("Several servers in one program").replace(
        "    await asyncio.gather(",
        "    asyncio.create_task(told(servers))\n    await asyncio.gather(",
    )
    told = """
async def told(servers):
    while not all(server.running for server in servers):
        await asyncio.sleep(0.01)
    print("serving", flush=True)

asyncio.run"""
    with program(tmp_path, text.replace("\nasyncio.run", told)) as process:
        assert ending(process, signal.SIGTERM) == (0, "serving\n")
