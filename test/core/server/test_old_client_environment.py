"""The client with the oldest libraries it promises, and with nothing else installed.

protobuf 4.21.12, numpy 1.26 and pyzmq 24 are what a robot on Ubuntu 24.04 has from apt. They live
in an environment of their own (tools/published.py); the server runs here, with ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from environments import python_in

from inferential_core import LocalDispatcher, Server

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = (
    "every_dtype_and_strings_come_back",
    "large_arrays_come_back",
    "all_in_flight_come_back_in_order",
    "everybody_gets_their_own",
)
TIMEOUT_S = 60.0

# What one import of the client may load beside the standard library.
ALLOWED = {"google", "inferential_core", "numpy", "zmq"}
EXTRAS = {"ml_dtypes"}  # taken where it is installed
LOADED = """
import sys
before = set(sys.modules)
import inferential_core, inferential_core.client
new = {name.split(".")[0] for name in set(sys.modules) - before}
helpers = {name for name in new if name.startswith("_cython") or name == "cython_runtime"}
print(sorted(new - helpers - set(sys.stdlib_module_names)))
"""
VERSIONS = """
from importlib import metadata
print(*(metadata.version(name) for name in ("protobuf", "numpy", "pyzmq")))
"""
PLAY = """
import sys, runpy, inferential_core
scenario, flavour, address, script = sys.argv[1:]
interop = runpy.run_path(script)
interop["play"](interop[scenario], inferential_core, flavour, address)
"""

pytestmark = pytest.mark.timeout(600)  # the first run makes the environment


@pytest.fixture(scope="module")
def oldest(pytestconfig: pytest.Config) -> str:
    """The Python with the oldest libraries."""
    return python_in("oldest-client", pytestconfig)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder that holds the core alone, so that nothing else of the checkout is importable."""
    (tmp_path / "inferential_core").symlink_to(ROOT / "inferential_core")
    return tmp_path


def run(python: str, package: Path, code: str, *arguments: str) -> str:
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [python, "-B", "-c", code, *arguments],
        env={**surroundings, "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_oldest_libraries_are_what_they_should_be(oldest: str, package: Path) -> None:
    protobuf, numpy, pyzmq = run(oldest, package, VERSIONS).split()
    assert protobuf == "4.21.12" and numpy.startswith("1.26.")
    assert int(pyzmq.partition(".")[0]) <= 25


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("flavour", ["sync", "async"])
def test_the_client_works_with_the_oldest_libraries(
    oldest: str, package: Path, flavour: str, scenario: str
) -> None:
    script = str(Path(__file__).parents[1] / "interop.py")

    def echo(obs: dict[str, Any]) -> dict[str, Any]:
        return obs

    with Server("tcp://127.0.0.1:0", dispatcher=LocalDispatcher({"policy": echo})) as server:
        run(oldest, package, PLAY, scenario, flavour, server.address, script)
        status = server.status()
    assert status["ok"] == status["received"] > 0


def test_with_the_oldest_libraries_the_client_loads_nothing_else(
    oldest: str, package: Path
) -> None:
    assert set(eval(run(oldest, package, LOADED))) <= ALLOWED


def test_the_client_loads_nothing_else_of_what_is_installed_here(package: Path) -> None:
    assert set(eval(run(sys.executable, package, LOADED))) <= ALLOWED | EXTRAS
