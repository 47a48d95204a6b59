"""Environments of others' packages (tools/published.py), and what runs in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "published.py"


def python_in(environment: str, config: pytest.Config) -> str:
    """Its Python; skips where this machine cannot have it. The first call makes it."""
    capture = config.pluginmanager.getplugin("capturemanager")
    command = [sys.executable, TOOL, environment]
    with capture.global_and_fixture_disabled():  # making one takes a while: let it be seen
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == 3:
        pytest.skip(f"no environment {environment} on this machine, see above")
    assert done.returncode == 0, f"tools/published.py {environment} failed, see above"
    return done.stdout.strip()


def alone() -> dict[str, str]:
    """The surroundings without what would put our packages beside theirs."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
