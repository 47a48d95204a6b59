"""Programs that embed a server, run as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONG_S = 60.0


@contextmanager
def program(folder: Path, text: str) -> Iterator[subprocess.Popen[str]]:
    """This program at work; it is killed if it has not ended."""
    file = folder / "program.py"
    file.write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-u", str(file)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ending(process: subprocess.Popen[str], sent: signal.Signals | None = None) -> tuple[int, str]:
    """The exit code and all that was printed; after `sent`, which follows the first line."""
    first = ""
    if sent is not None:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(sent)
    out, err = process.communicate(timeout=LONG_S)
    assert err == "", err
    return process.returncode, first + out
