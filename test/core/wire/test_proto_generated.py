"""The generated modules are those that the files in proto/ yield."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="protoc comes with grpcio-tools (pip install .[dev])")

ROOT = Path(__file__).resolve().parents[3]


GENERATED = ("wire/inferential_pb2", "doors/lerobot/lerobot_async_pb2")


def test_regenerating_the_modules_of_messages_changes_nothing(tmp_path: Path) -> None:
    generator = ROOT / "tools" / "generate_proto.py"
    subprocess.run([sys.executable, generator, "--output", tmp_path], check=True)

    for name in GENERATED:
        for suffix in (".py", ".pyi"):
            committed = ROOT / "inferential_core" / f"{name}{suffix}"
            made = (tmp_path / committed.name).read_text()
            assert made == committed.read_text(), f"{committed.name}: run `make proto`"
