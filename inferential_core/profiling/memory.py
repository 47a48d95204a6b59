"""Peak memory of this process, and of the accelerator as far as this process uses it."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

_PATIENCE_S = 10.0


class PeakMemory:
    """The most memory that was used since `reset`, in bytes; NaN where nothing tells."""

    def reset(self) -> None:
        """Begin anew."""
        try:
            Path("/proc/self/clear_refs").write_text("5")  # VmHWM, see proc(5)
        except OSError:
            pass  # then it is the most since the process began
        if (torch := _torch()) is not None:
            torch.cuda.reset_peak_memory_stats()

    def host(self) -> float:
        """Resident memory of the process."""
        try:
            status = Path("/proc/self/status").read_text("utf-8")
        except OSError:
            return math.nan
        found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        return 1024.0 * int(found[1]) if found else math.nan

    def device(self) -> float:
        """Of the accelerator: PyTorch's own peak where it is used, else what the driver says."""
        if (torch := _torch()) is not None:
            return float(torch.cuda.max_memory_reserved())
        return _told_by_driver()


def _torch() -> Any:
    """PyTorch where this process uses a card by it, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def _told_by_driver() -> float:
    command = shutil.which("nvidia-smi")
    if command is None:
        return math.nan
    asked = [command, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return math.nan
    mebibytes = [
        float(used)
        for pid, _, used in (line.partition(",") for line in told.stdout.splitlines())
        if pid.strip() == str(os.getpid()) and used.strip().isdecimal()
    ]
    return 1024.0**2 * sum(mebibytes) if mebibytes else math.nan
