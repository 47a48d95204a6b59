"""A clean copy of the package, built by colcon and used from its install tree alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2, as an installation or as wheels (make build)")

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH")


def environment_without_this_package() -> dict[str, str]:
    """Ours, less every prefix that holds an `inferential`, so that the copy is what runs."""
    held = [
        prefix
        for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
        if prefix and Path(prefix, "share", "inferential", "package.xml").exists()
    ]
    environment = {key: value for key, value in os.environ.items() if key != "COLCON_PREFIX_PATH"}
    for name in PATHS:
        parts = environment.get(name, "").split(os.pathsep)
        kept = [part for part in parts if not any(Path(part).is_relative_to(h) for h in held)]
        environment[name] = os.pathsep.join(kept)
    return {key: value for key, value in environment.items() if value}


def python_arguments() -> list[str]:
    """Which Python CMake shall build for, as tools/build.sh tells it."""
    if Path(sys.prefix, "share", "ament_cmake").exists():  # ROS 2 as wheels
        return [f"-DPython3_EXECUTABLE={sys.executable}", "-DPython3_FIND_VIRTUALENV=ONLY"]
    base = getattr(sys, "_base_executable", sys.executable)
    return [f"-DPython3_EXECUTABLE={base}"]


@dataclass(frozen=True)
class Workspace:
    """A built workspace, and how to run Python with it sourced."""

    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    @property
    def prefix(self) -> Path:
        return self.folder / "install" / "inferential"

    def start(self, code: str) -> subprocess.Popen[str]:
        """A Python process that has nothing but the install tree of this workspace."""
        command = 'source install/setup.bash && exec "$0" -c "$1"'
        return subprocess.Popen(
            ["bash", "-c", command, sys.executable, code],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, code: str) -> str:
        """What the code printed; its failure is ours."""
        with self.start(code) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    if not (ROOT / ".git").exists() or shutil.which("colcon") is None:
        pytest.skip("needs colcon and a git checkout, whose list of files is the clean copy")
    folder = tmp_path_factory.mktemp("workspace")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / "src" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "src" / name)
    environment = environment_without_this_package()
    built = subprocess.run(
        ["colcon", "build", "--cmake-args", *python_arguments()],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert built.returncode == 0, built.stdout
    return Workspace(folder, environment)


def installed(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.timeout(300)  # the first one builds
def test_messages_and_both_packages_import_from_the_install_tree(workspace: Workspace) -> None:
    printed = workspace.run(
        "import inferential, inferential_core, inferential_ros\n"
        "from inferential.msg import ActionChunk, BridgeStatus, ServerStatus\n"
        "for module in (inferential, inferential_core, inferential_ros): print(module.__file__)"
    )

    assert all(Path(line).is_relative_to(workspace.prefix) for line in printed.split())


def test_a_message_crosses_from_one_process_to_another(workspace: Workspace) -> None:
    latched = (
        "import rclpy\n"
        "from inferential.msg import ActionChunk\n"
        "from rclpy.qos import DurabilityPolicy, QoSProfile\n"
        "rclpy.init()\n"
        "qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)\n"
    )
    publisher = workspace.start(
        latched + "node = rclpy.create_node('robot')\n"
        "topic = node.create_publisher(ActionChunk, 'plan', qos)\n"
        "topic.publish(ActionChunk(model='walk', horizon=2, dimension=1, data=[0.5, -0.5]))\n"
        "input()"  # latched: there for whoever comes, until we are told to go
    )
    try:
        received = workspace.run(
            latched + "node, plans = rclpy.create_node('watcher'), []\n"
            "node.create_subscription(ActionChunk, 'plan', plans.append, qos)\n"
            "clock = node.get_clock()\n"
            "until = clock.now() + rclpy.duration.Duration(seconds=30)\n"
            "while not plans and clock.now() < until:\n"
            "    rclpy.spin_once(node, timeout_sec=1)\n"
            "print(*[(plan.model, plan.horizon, list(plan.data)) for plan in plans])"
        )
    finally:
        said, _ = publisher.communicate("\n", timeout=30)

    assert received.strip() == "('walk', 2, [0.5, -0.5])", said
    assert publisher.returncode == 0, said


def test_executables_stand_in_lib_and_can_be_run(workspace: Workspace) -> None:
    folder = workspace.prefix / "lib" / "inferential"

    assert installed(folder) == installed(ROOT / "scripts") != set()
    for path in folder.iterdir():
        assert os.access(path, os.X_OK), path
        assert path.read_text().startswith("#!/usr/bin/env python3\n"), path
        lines = path.read_text().splitlines()
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        workspace.run("\n".join(imports))
    assert os.access(workspace.prefix / "bin" / "inferential", os.X_OK)


@pytest.mark.parametrize("folder", ["launch", "config"])
def test_launch_and_config_files_are_shared(workspace: Workspace, folder: str) -> None:
    share = workspace.prefix / "share" / "inferential"

    assert installed(share / folder) == installed(ROOT / folder) != set()


def test_the_robot_side_imports_without_what_the_server_needs(workspace: Workspace) -> None:
    workspace.run(
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('ray', 'pydantic', 'mujoco', 'matplotlib', 'PIL')))\n"
        "import inferential.msg, inferential_core.client, inferential_ros.bridge_node"
    )
