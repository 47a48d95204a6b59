"""Install the package as its users do, and run every command's main path there (`make installs`).

For each Python that is given, or each of 3.10 to 3.13 that is found, and for the bare SDK and each
extra of setup.py: a fresh environment, `pip install`, and then every `inferential` command. A
command may need more than an extra brings; it then has to say so in one line that names what to
install. Nothing may end in a traceback. The time and the size of each installation are printed,
and those that the project promises are held.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
SDK = ""  # the extra of no extra
EXTRAS = (SDK, "images", "bfloat16", "bags", "video", "local", "server", "demo", "dev")
MOST_S = {SDK: 20, "local": 60}  # an installation may take so long
MOST_MB = {SDK: 100, "local": 200}  # and be so large
PATIENCE_S = 120  # for any one command

POLICY = """
import numpy as np


def policy(obs):
    return {"actions": np.zeros((10, 2), np.float32)}
"""
CLIENT = """
import sys
import time

import numpy as np

from inferential_core import Connection

with Connection(server=sys.argv[1], client_id="arm") as connection:
    model = connection.model("policy", latency_budget_ms=10_000)
    until = time.monotonic() + 90  # a cluster of Ray's takes its time to start
    result = None
    while result is None and time.monotonic() < until:
        model.observe(state=np.zeros(2, np.float32))
        result = model.get_result(timeout_ms=5000)
        if result is None:
            time.sleep(1.0)
    print("no result" if result is None else result["actions"].shape)
"""
FLAGS = ["--dispatcher", "local", "--model", "policy=policy:policy", "--bind", "tcp://127.0.0.1:*"]

# What each command needs beyond the SDK: it works where one of these extras is installed.
SERVING = ("local", "server", "dev")
NEEDS: tuple[tuple[list[str], tuple[str, ...]], ...] = (
    (["--version"], EXTRAS),
    (["--help"], EXTRAS),
    (["keys", "new", "robot"], EXTRAS),
    (["keys", "new", "other", "--authorize"], SERVING),
    (["keys", "list"], SERVING),
    (["config", "check", "server.yaml"], SERVING),
    (["contract", "check", "arm"], ("bags",)),
)


class Failed(Exception):
    """What did not do what it should."""


class Environment:
    """A fresh environment with the package and one extra, and a folder to work in."""

    def __init__(self, python: str, extra: str, folder: Path) -> None:
        self.extra = extra
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "policy.py").write_text(POLICY)
        (self.work / "client.py").write_text(CLIENT)
        (self.work / "server.yaml").write_text("scheduling: {max_batch_size: 4}\n")
        self._venv = folder / "venv"
        subprocess.run([python, "-m", "venv", self._venv], check=True)
        before = _megabytes(self._venv)
        begun = time.monotonic()
        # From a copy: pip builds where the sources lie, and would leave its traces there.
        what = str(_copied(folder / "source")) + (f"[{extra}]" if extra else "")
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", what]
        subprocess.run([self._venv / "bin" / "python", *pip], check=True)
        self.seconds = time.monotonic() - begun
        self.megabytes = _megabytes(self._venv) - before

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of a program of this environment."""
        return [str(self._venv / "bin" / program), *arguments]

    def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Exit status and all that it says; Failed where that is a traceback."""
        done = subprocess.run(
            self.command(program, *arguments),
            cwd=self.work,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
        )
        if "Traceback" in done.stdout:
            raise Failed(f"{program} {' '.join(arguments)} ends in a traceback:\n{done.stdout}")
        return done.returncode, done.stdout

    def check(self, arguments: list[str], works_with: Sequence[str]) -> None:
        """One command, which works here, or says in one line what to install."""
        code, said = self.run("inferential", *arguments)
        told = f"inferential {' '.join(arguments)}: exit status {code}:\n{said}"
        if self.extra in works_with:
            if code:
                raise Failed(told)
        elif code != 1 or len(said.splitlines()) != 1 or "pip install" not in said:
            raise Failed(f"{told}(no one line that says what to install)")


def environment() -> dict[str, str]:
    """That of a user's shell, without what our own environment added to it."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}


@contextmanager
def serving(installed: Environment, *flags: str) -> Iterator[tuple[str, str]]:
    """A server of this environment: its address and its page's; ended as by Ctrl-C."""
    server = subprocess.Popen(
        installed.command("inferential", "serve", *flags, "--http", "127.0.0.1:0"),
        cwd=installed.work,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = next((line for line in server.stdout if " on tcp://" in line), "")
        page = server.stdout.readline().rpartition(" ")[2].strip()
        if not line:
            raise Failed("the server did not start")
        yield line.rpartition(" ")[2].strip(), page
        server.send_signal(signal.SIGINT)
        if server.wait(PATIENCE_S) != 0:
            raise Failed(f"the server ended with exit status {server.returncode}")
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()


def serve_and_ask(installed: Environment, *flags: str) -> None:
    """The way of the README: a server, a client, and the commands that look at the server."""
    with serving(installed, *flags) as (address, page):
        code, said = installed.run("python", "client.py", address)
        if code or said.strip() != "(10, 2)":
            raise Failed(f"a client got: {said}")
        code, said = installed.run("inferential", "status", "--json", "--server", page)
        # 3: a robot starved, as one may while Ray begins.
        if code not in (0, 3) or json.loads(said)["ok"] < 1:
            raise Failed(f"inferential status: {said}")
        code, said = installed.run("inferential", "top", "--once", "--server", page)
        if code or "policy" not in said:
            raise Failed(f"inferential top: {said}")
        flags_of_bench = (
            "--robots 2 --hz 5 --seconds 1 --model policy --shape state=float32[2]".split()
        )
        code, said = installed.run("inferential", "bench", "--server", address, *flags_of_bench)
        if code:
            raise Failed(f"inferential bench: {said}")


def try_out(python: str, extra: str) -> None:
    """Install one extra into a fresh environment, run what a user would; Failed says why not."""
    folder = Path(tempfile.mkdtemp(prefix="inferential-installs-"))
    try:
        installed = Environment(python, extra, folder)
        for arguments, works_with in NEEDS:
            installed.check(arguments, works_with)
        if extra in ("local", "server"):
            serve_and_ask(installed, *FLAGS)
        if extra == "server":
            serve_and_ask(installed, *FLAGS[2:])  # without --dispatcher local: on Ray Serve
        told = f"{installed.seconds:4.0f} s {installed.megabytes:5.0f} MB"
        print(f"  {extra or 'SDK alone':<12} {told}", flush=True)
        if installed.seconds > MOST_S.get(extra, 1e9) or installed.megabytes > MOST_MB.get(
            extra, 1e9
        ):
            raise Failed(f"more than {MOST_S[extra]} s or {MOST_MB[extra]} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def found() -> list[str]:
    """The Pythons of this machine, of each version the newest one that can make environments."""
    pythons = []
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}") or ""]
        candidates += map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        works = (p for p in candidates if p and not _run_quietly([p, "-m", "venv", "--help"]))
        pythons += [python for python in [next(works, "")] if python]
    return pythons


def _run_quietly(command: list[str]) -> int:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def _copied(folder: Path) -> Path:
    """The files of this checkout that git knows, as a fresh clone has them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def _megabytes(folder: Path) -> float:
    return sum(each.lstat().st_size for each in folder.rglob("*")) / 1e6


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", action="append", help="default: each of 3.10 to 3.13 found")
    parser.add_argument("--extra", action="append", choices=EXTRAS, help="default: all of them")
    options = parser.parse_args()
    failed = 0
    for python in options.python or found():
        print(subprocess.run([python, "-V"], capture_output=True, text=True).stdout.strip())
        for extra in EXTRAS if options.extra is None else options.extra:
            try:
                try_out(python, extra)
            except (Failed, subprocess.SubprocessError) as error:
                failed += 1
                print(f"  {extra or 'SDK alone':<12} FAILED: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
