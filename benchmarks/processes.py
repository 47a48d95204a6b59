"""Programs that a benchmark talks to over their pipes: one JSON object a line, each way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"


def path_to(packages: Path) -> str:
    """PYTHONPATH of a process that imports the packages of a checkout."""
    return os.pathsep.join([str(packages), *(each for each in sys.path if each != str(ROOT))])


class Program:
    """A process that answers each line it is given with one line, and ends when its stdin does.

    As a context it is killed on leaving.

    packages: the checkout whose packages it can import, None for none of ours. log: where its
    stderr goes, a file that can be read, too.
    """

    def __init__(
        self, *command: object, packages: Path | None = ROOT, log: IO[bytes] | None = None
    ) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        if packages is not None:
            environment["PYTHONPATH"] = path_to(packages)
        self._process = subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._log = log
        self.pid = self._process.pid

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def hear(self) -> Any:
        """The next thing it says; RuntimeError if it ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            ended = f"{self._process.args} ended with {self._process.wait()}"
            raise RuntimeError(f"{ended}{self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return ": " + lines[-1] if lines else ""

    def ask(self, question: Any) -> Any:
        """Its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self.hear()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def finish(self) -> None:
        """Let it end by itself, as its stdin does."""
        try:
            self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.end()

    def end(self) -> None:
        self._process.kill()  # also one that is paused
        self._process.communicate()


def published_python(release: str) -> str:
    """The Python that has a published release; made now if there is none."""
    command = [sys.executable, ROOT / "tools" / "published.py", release]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def tell(answer: Any) -> None:
    """The other end of `hear`, in the program."""
    print(json.dumps(answer), flush=True)


def listen() -> Iterator[Any]:
    """The other end of `ask`: every question until whoever asks is gone."""
    for line in sys.stdin:
        yield json.loads(line)


async def answering(answer: Callable[[Any], Awaitable[Any]]) -> None:
    """The same in a program that lives on an event loop: tell what `answer` says to each."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        tell(await answer(json.loads(line)))


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
