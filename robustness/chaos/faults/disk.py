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

from benchmarks.processes import ROOT

from ..stage import BRIDGES, Stage
from ..verdict import Row
from .fault import Fault, unnoticed

ROOM_BYTES = 64 * 1024
GRACE_S = 10.0
MOST_SILENT_S = 1.0
RUN = "import sys; from inferential_core.cli import main; sys.exit(main({}))"


class FullDisk(Fault):
    family = "disk"
    name = "full disk"
    what = "under a recording of a bridge, which says so and ends"
    lasts_s = (6.0, 6.0)

    def begin(self, stage: Stage) -> None:
        self._mount = stage.folder / "disk"
        self._mount.mkdir(exist_ok=True)
        self._mounted = _mount(self._mount)
        bag = self._mount / "bag"
        arguments = [
            "record",
            str(bag),
            "--contract",
            str(stage.contract),
            "--namespace",
            BRIDGES[0],
        ]
        self._log = stage.folder / "record.log"
        with self._log.open("wb") as log:
            self._recorder = subprocess.Popen(
                [sys.executable, "-c", RUN.format(arguments)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
                stdout=log,
                stderr=log,
                preexec_fn=None if self._mounted else _limit_files,
            )

    def end(self, stage: Stage) -> None:
        by_itself = _wait(self._recorder) is not None
        if not by_itself:
            self._recorder.send_signal(signal.SIGINT)
        status = _wait(self._recorder)
        if status is None:
            self._recorder.kill()
            status = self._recorder.wait()
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._mount)], check=False)
        told = self._log.read_text(errors="replace").strip().splitlines() or ["nothing"]
        room = f"{'tmpfs' if self._mounted else 'file size limit'} of {ROOM_BYTES // 1024} KiB"
        self.remark = f"{room}: the recorder ended {status}: {told[-1]}"
        crashed = any("Traceback" in line for line in told)
        self._noticed = by_itself and status != 0 and not crashed

    def promises(self, row: Row) -> list[str]:
        broken = unnoticed(row, MOST_SILENT_S)
        if not self._noticed:
            broken.append("the recorder did not end with an error that says why")
        return broken


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit status, once it ended; None if it does not."""
    try:
        return process.wait(GRACE_S)
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


FAULTS = (FullDisk,)
