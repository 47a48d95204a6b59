"""The generated wire module is the one that proto/inferential.proto yields."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="protoc comes with grpcio-tools (pip install .[dev])")

ROOT = Path(__file__).resolve().parents[3]


def test_regenerating_the_wire_module_changes_nothing(tmp_path: Path) -> None:
    generator = ROOT / "tools" / "generate_proto.py"
    subprocess.run([sys.executable, generator, "--output", tmp_path], check=True)

    for name in ("inferential_pb2.py", "inferential_pb2.pyi"):
        committed = ROOT / "inferential_core" / "wire" / name
        assert (tmp_path / name).read_text() == committed.read_text(), f"{name}: run `make proto`"
