"""Which room may import what: the robot's side stays light, the pure parts stay pure."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROS = ROOT / "inferential_ros"
PURE = (
    "execution",
    "bridge/bridge_core.py",
    "bridge/inputs.py",
    "bridge/plans.py",
    "bridge/robot_io.py",
    "bridge/state.py",
)
# Room -> the rooms of which it imports nothing, wherever in a file the import stands.
FORBIDDEN = {
    "execution": {"bridge", "bringup", "contract", "convert", "recording", "server"},
    "convert": {"bridge", "bringup", "recording", "server"},
    "contract": {"bridge", "bringup", "server"},
    "bridge": {"bringup", "recording", "server"},
    "recording": {"bringup", "server"},
    "server": {"bridge", "bringup", "contract", "execution", "recording"},
    "bringup": {"bridge", "contract", "convert", "execution", "recording", "server"},
}


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


def module_name(path: Path) -> str:
    """The dotted name of a module of the package; a package's is that of its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def modules_imported(path: Path) -> set[str]:
    """What a file imports of this package, also below TYPE_CHECKING and in functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if is_module(inner) else node.module)
    return {name for name in found if name.startswith(ROS.name + ".")}


@pytest.mark.parametrize("room", FORBIDDEN)
def test_the_arrows_between_rooms_point_one_way(room: str) -> None:
    for file in files(room):
        rooms = {name.split(".")[1] for name in modules_imported(file)}
        assert not rooms & FORBIDDEN[room], file


def test_no_module_imports_itself_by_a_detour() -> None:
    modules = {module_name(file): file for file in files(".")}
    arrows = {name: modules_imported(file) & set(modules) for name, file in modules.items()}
    graphlib.TopologicalSorter(arrows).prepare()  # raises CycleError, which shows the circle


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
