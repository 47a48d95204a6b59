"""Paths of imports that documentation showed before go on working, and say what is new."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import inferential_core

MOVED = {
    "inferential_core.logs": "inferential_core.log.formatting",
    "inferential_core.stacking": "inferential_core.models.stacking",
    "inferential_core.scheduler.admission": "inferential_core.scheduler.headroom",
    "inferential_ros.arguments": "inferential_ros.bringup.arguments",
    "inferential_ros.contract.errors": "inferential_ros.options.errors",
    "inferential_ros.contract.reading": "inferential_ros.options.yaml_values",
    "inferential_ros.contract.types": "inferential_ros.options.types",
    "inferential_ros.contract.units": "inferential_ros.options.units",
    "inferential_ros.contract.yaml_file": "inferential_ros.options.yaml_file",
}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_module_that_moved_is_there_under_its_old_path_and_warns(old: str, new: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"^{old} is now {new}$") as warned:
        module = importlib.import_module(old)
    assert module is importlib.import_module(new)
    assert len(warned) == 1
    sys.modules.pop(old, None)


def test_the_launch_helpers_are_there_where_launch_is() -> None:
    pytest.importorskip("launch_ros", reason="launch comes with a ROS 2 installation")
    sys.modules.pop("inferential_ros.launching", None)
    with pytest.warns(DeprecationWarning, match="is now inferential_ros.bringup.launching"):
        importlib.import_module("inferential_ros.launching")


def test_a_name_that_moved_out_of_a_module_is_there_and_warns() -> None:
    bringup = importlib.import_module("inferential_ros.bringup")
    process_list = importlib.import_module("inferential_ros.bringup.process_list")
    with pytest.warns(DeprecationWarning, match=r"bringup\.robot is now .*process_list\.robot"):
        assert bringup.robot is process_list.robot
    assert not hasattr(bringup, "robots")


def test_no_module_takes_the_place_of_a_name_that_moved() -> None:
    bringup = importlib.import_module("inferential_ros.bringup")
    modules = {path.stem for path in Path(bringup.__path__[0]).glob("*.py")}
    assert modules & bringup._IN_PROCESS_LIST == set()


def test_the_warning_names_the_line_that_imports(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nfrom inferential_core.logs import setup\nassert setup\n")
    done = subprocess.run(
        [sys.executable, "-W", "always", program], capture_output=True, text=True, check=True
    )
    assert f"{program}:2: DeprecationWarning: inferential_core.logs is now" in done.stderr


def test_the_sdk_imports_none_of_them() -> None:
    program = "import sys, inferential_core; print([m for m in sys.modules if '.moved' in m])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_root_of_the_core_holds_what_everyone_knows_and_nothing_else() -> None:
    root = Path(inferential_core.__path__[0])
    modules = {path.stem for path in root.glob("*.py")} - {"__init__"}
    assert modules == {"clock", "errors", "request", "status", "suggestion", "version"}
