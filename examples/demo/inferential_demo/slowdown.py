"""The knob that makes the demo's model slow: a small text file holding the added milliseconds.

A file, because the model lives in the server's process and the director in another; and because
anyone can turn it by hand: `echo 150 > $INFERENTIAL_DEMO_SLOWDOWN_FILE`.
"""

from __future__ import annotations

import os
import tempfile

from inferential_ros.bringup.process_list import SLOWDOWN_FILE_VARIABLE


def knob_path() -> str:
    """Path of the knob, empty where the environment names none."""
    return os.environ.get(SLOWDOWN_FILE_VARIABLE, "")


def read_slowdown_s(path: str) -> float:
    """Added latency in seconds; 0 where the file is missing or holds no sensible number."""
    try:
        with open(path, encoding="ascii") as file:
            milliseconds = float(file.read())
    except (OSError, ValueError):
        return 0.0
    return milliseconds / 1000.0 if 0.0 < milliseconds <= 60_000.0 else 0.0


def write_slowdown_ms(path: str, milliseconds: float) -> None:
    """Replaces the file in one step, so that no reader sees half a number."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".slowdown_")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"{milliseconds:g}\n")
    os.replace(temporary, path)
