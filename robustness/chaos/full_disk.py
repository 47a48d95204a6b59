"""A disk that is full while a bridge is recorded.

A small tmpfs of our own where we may mount one; otherwise the largest file that the recorder may
write is limited, which it sees as another error of the same call.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import ROOT, path_to

from .stage import BRIDGES, Stage

ROOM_BYTES = 64 * 1024
GRACE_S = 10.0
RUN = "import sys; from inferential_core.cli import main; sys.exit(main(sys.argv[1:]))"


class Recording:
    """A recorder on a disk of its own, that is too small."""

    def __init__(self, stage: Stage) -> None:
        self._disk = stage.folder / "disk"
        self._disk.mkdir(exist_ok=True)
        self._mounted = _mount(self._disk)
        words = ["record", self._disk / "bag", "--contract", stage.contract]
        self._log = stage.folder / "record.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN, *words, "--namespace", BRIDGES[0]],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": path_to(ROOT)},
                stdout=log,
                stderr=log,
                preexec_fn=None if self._mounted else _limit_files,
            )

    def end(self) -> None:
        """Wait for its end, with force if need be; `remark` and `broken` say what it was."""
        by_itself = self._wait() is not None
        if not by_itself:
            self._process.send_signal(signal.SIGINT)
        if (status := self._wait()) is None:
            self._process.kill()
            status = self._process.wait()
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._disk)], check=False)
        told = self._log.read_text(errors="replace").strip().splitlines() or ["nothing"]
        room = f"{'tmpfs' if self._mounted else 'file size limit'} of {ROOM_BYTES // 1024} KiB"
        self.remark = f"{room}: the recorder ended {status}: {told[-1]}"
        noticed = by_itself and status and not any("Traceback" in line for line in told)
        self.broken = [] if noticed else ["the recorder did not end with an error that says why"]

    def _wait(self) -> int | None:
        """Its exit status, once it ended; None if it does not."""
        try:
            return self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            return None


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, ROOM_BYTES))
