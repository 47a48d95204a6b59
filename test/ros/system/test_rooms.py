"""What rooms may import of others: the robot's side stays light, the pure parts stay pure.

Which of our own rooms a room may import is held by test/core/docs/test_docs_architecture.py.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROS = ROOT / "inferential_ros"
PURE = (
    "execution",
    "bridge/bridge_core.py",
    "bridge/inputs.py",
    "bridge/plans.py",
    "bridge/robot_io.py",
    "bridge/state.py",
)


def imports(path: Path) -> set[str]:
    """Top-level names of every import in a file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def files(*places: str) -> list[Path]:
    paths = [ROS / place for place in places]
    return [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]


def test_nothing_needs_the_demo() -> None:
    for file in files("."):
        assert "inferential_demo" not in imports(file), file


def test_the_nodes_leave_the_wire_to_the_core() -> None:
    for file in files("."):
        assert not imports(file) & {"zmq", "google", "ray"}, file


def test_what_decides_about_motion_knows_no_ros() -> None:
    for file in files(*PURE):
        assert not imports(file) & {"rclpy", "inferential", "time"}, file


def test_a_robot_needs_none_of_the_servers_dependencies() -> None:
    pytest.importorskip("inferential.msg", reason="ROS 2 or the built messages are missing")
    code = (
        "import sys\n"
        "for name in ('pydantic', 'ray', 'PIL'): sys.modules[name] = None\n"
        "import inferential_ros.bridge_node, inferential_ros.contract.loading\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
