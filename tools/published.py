"""Environments that must stay apart from ours: `python tools/published.py NAME ...`.

The published releases own the import name and the protobuf package that ours has too, and the
oldest client needs versions of its own. Each lives in .venv-published/NAME, is made by pip on
first use and kept. Beside them stand clients of other servers, which come in by our doors. The
last line of the output is the Python of each that was asked for; words for people go to stderr.
Standard library only, so that any Python can run it.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv-published"
UNAVAILABLE = 3  # exit status: this machine cannot make it, which is nobody's fault

Pythons = tuple[tuple[int, int], ...]


def locked(name: str) -> str:
    """The version of a package in requirements/lock.txt."""
    lines = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.startswith(f"{name}==")).split("==")[1]


# name -> requirements, and the versions of Python (best first) that they exist for
ENVIRONMENTS: dict[str, tuple[list[str], Pythons]] = {
    # 0.1.0 imports pydantic without asking for it
    "0.1.0": (["inferential==0.1.0", "pydantic>=2"], ((3, 11), (3, 12), (3, 13))),
    "1.4.0": (["inferential==1.4.0"], ((3, 11), (3, 12), (3, 13))),
    # in front of our cluster: a driver needs the very version of Ray that the cluster has
    "1.4.0-ray": (
        ["inferential==1.4.0", f"ray[serve]=={locked('ray')}"],
        (sys.version_info[:2], (3, 11), (3, 12), (3, 13)),
    ),
    # what Ubuntu 24.04 ships; for Python 3.12 the index has no pyzmq 24
    "oldest-client": (
        [
            "protobuf==4.21.12",
            "numpy==1.26.*",
            "pyzmq==24.*; python_version < '3.12'",
            "pyzmq==25.1.*; python_version >= '3.12'",
        ],
        ((3, 11), (3, 10), (3, 12)),
    ),
    # clients of other servers, unmodified; openpi's import typing_extensions without asking for it
    "openpi-0.1.1": (
        ["openpi-client==0.1.1", "typing_extensions"],
        ((3, 11), (3, 10), (3, 12)),
    ),
    "openpi-0.1.2": (
        ["openpi-client==0.1.2", "openpi-server==0.1.0", "typing_extensions"],
        ((3, 11), (3, 10), (3, 12)),
    ),
    "gr00t": (
        ["inspect-robots-unitree-g1==0.1.1", "pyzmq>=25", "msgpack>=1", "msgpack-numpy>=0.4.8"],
        ((3, 11), (3, 12), (3, 10)),
    ),
}


class Unavailable(Exception):
    """Why this machine cannot make an environment."""


@functools.cache
def version_of(python: str) -> tuple[int, int]:
    """(3, 11) and the like; (0, 0) where `python` does not run or makes no environments."""
    code = "import ensurepip, venv, sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
        major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0, 0
    return int(major), int(minor)


def choose_python(wanted: Pythons) -> str:
    """The best of `wanted` that is here: the Python that runs this, or one on the PATH."""
    own = getattr(sys, "_base_executable", "") or sys.executable
    for major, minor in wanted:
        for candidate in (own, shutil.which(f"python{major}.{minor}")):
            if candidate and version_of(candidate) == (major, minor):
                return candidate
    names = ", ".join(f"{major}.{minor}" for major, minor in sorted(wanted))
    raise Unavailable(f"needs Python {names}; this is {sys.version.split()[0]}")


def python_of(name: str) -> Path:
    """The Python of an environment, made now if it is not there. Unavailable says why not."""
    requirements, wanted = ENVIRONMENTS[name]
    folder = FOLDER / name
    python = folder / "bin" / "python"
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes ask at once
        stamp, made_of = folder / "stamp", f"{ROOT} {' '.join(requirements)}"
        if python.exists() and stamp.exists() and stamp.read_text() == made_of:
            return python
        base = choose_python(wanted)
        tell(f"making {folder.relative_to(ROOT)} with {base}: {' '.join(requirements)} ...")
        started = time.monotonic()
        make(base, folder, requirements)
        stamp.write_text(made_of)
        tell(f"  done in {time.monotonic() - started:.0f} s")
    return python


def make(base: str, folder: Path, requirements: list[str]) -> None:
    """Unavailable if pip reaches no index on somebody's own machine; in CI that is a failure."""
    shutil.rmtree(folder, ignore_errors=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([base, "-m", "venv", folder], env=environment, check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check"]
    with subprocess.Popen(
        [*pip, "--only-binary=:all:", *requirements],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = []
        for line in process.stdout or ():
            said.append(line)
            if line.startswith(("Collecting ", "Installing collected")):
                tell(f"  {line.strip()}")
    if process.returncode == 0:
        return
    shutil.rmtree(folder, ignore_errors=True)
    output = "".join(said)
    offline = "connection broken by" in output or "Could not fetch URL" in output
    if offline and not os.environ.get("CI"):
        raise Unavailable("pip cannot reach an index")
    sys.exit(f"{output}inferential: pip could not install {' '.join(requirements)} (see above)")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(names: list[str]) -> int:
    """Print the Python of each environment in `names`."""
    for name in names or [name for name in ENVIRONMENTS if not name.endswith("-ray")]:
        if name not in ENVIRONMENTS:
            tell(f"no environment {name!r}; there are: {', '.join(ENVIRONMENTS)}")
            return 2
        try:
            print(python_of(name))
        except Unavailable as reason:
            tell(f"{name}: {reason}")
            return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
