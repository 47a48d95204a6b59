"""The wheel, in an environment that holds only what a robot's SDK may ask for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SDK_NEEDS = ("numpy", "protobuf", "pyzmq")
SOURCES = ("setup.py", "pyproject.toml", "package.xml", "README.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout stays as it is; no network."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in SOURCES:
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, source)
    for name in ("inferential_core", "inferential_ros", "examples/demo", "config", "msg"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--quiet", "--wheel-dir", built, source], check=True)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture
def bare(wheel: Path, tmp_path: Path) -> Path:
    """A folder of packages: the wheel, and links to the three it may need."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for name in SDK_NEEDS:
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue  # scripts, and what Python writes itself
            link = tmp_path / file
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(str(distribution.locate_file(file))))
    return tmp_path


def run(code: str, packages: Path) -> str:
    """-S: without the site-packages of this Python; -E: and without those of PYTHONPATH."""
    program = f"import sys; sys.path.insert(0, {str(packages)!r})\n{code}"
    command = [sys.executable, "-E", "-S", "-B", "-c", program]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_sdk_connects_and_observes_with_nothing_else_installed(bare: Path) -> None:
    run(
        "import numpy as np\n"
        "from inferential_core import Connection\n"
        "robot = Connection(server='tcp://127.0.0.1:9', client_id='r', client_type='robot')\n"
        "robot.model('walk').observe(state=np.zeros(3, np.float32), task='stand')\n"
        "robot.close()",
        bare,
    )


def test_keys_that_cannot_be_granted_rights_here_are_not_made(bare: Path) -> None:
    run(
        "from inferential_core.cli import main\n"
        "assert main(['keys', 'new', 'robot', '--authorize']) == 1",
        bare,
    )
    assert not (bare / "keys").exists()


def test_the_wheel_brings_contracts_and_messages_to_where_they_are_looked_for(bare: Path) -> None:
    (data,) = bare.glob("inferential-*.data/data")
    assert (data / "share/inferential/config/contracts/arm.yaml").is_file()
    (data / "share").rename(bare / "share")  # as `pip install --target` does
    found = run(
        "from inferential_ros.resources import share_path\n"
        "print(share_path('msg/ActionChunk.msg'), share_path('config/demo/cartpole.xml'))",
        bare,
    )
    assert all(Path(path).is_file() for path in found.split())


def test_the_wheel_brings_the_demo(bare: Path) -> None:
    found = run("import inferential_demo.command as demo\nprint(demo.__file__)", bare)
    assert Path(found.strip()).is_relative_to(bare)


def test_importing_the_sdk_brings_nothing_of_the_server_along(bare: Path) -> None:
    unwanted = ("ray", "pydantic", "rclpy", "yaml", "ruamel", "PIL")
    loaded = run(
        "import inferential_core, inferential_core.client\n"
        f"print([name for name in {unwanted!r} if name in sys.modules])",
        bare,
    )

    assert loaded.strip() == "[]"


def test_the_wheel_holds_the_version_the_types_and_the_command(wheel: Path) -> None:
    manifest = (ROOT / "package.xml").read_text()
    version = re.search("<version>(.+)</version>", manifest)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (points,) = (name for name in names if name.endswith("entry_points.txt"))
        commands = archive.read(points).decode()

    assert version is not None and wheel.name.startswith(f"inferential-{version[1]}-")
    assert "inferential_core/wire/inferential_pb2.pyi" in names
    page = ("index.html", "page.css", "page.js", "icon.svg")
    assert {f"inferential_core/web/page/{name}" for name in page} <= names
    assert "inferential = inferential_core.cli:main" in commands
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "inferential",
        "inferential_core",
        "inferential_demo",
        "inferential_ros",
    }
