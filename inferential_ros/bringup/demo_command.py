"""`inferential demo`: finds the demo's package, which lies among the examples of a checkout."""

from __future__ import annotations

import importlib
import sys

from inferential_ros.resources import python_path


def main(argv: list[str]) -> int:
    """Run the demo; its exit status is that of inferential_demo.command."""
    sys.path += python_path()
    return int(importlib.import_module("inferential_demo.command").main(argv))
