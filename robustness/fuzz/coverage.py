"""Mutations that are kept where they reach new code (atheris), for each reader of foreign bytes.

    python -m robustness fuzz coverage [TARGET ...] [--minutes M] [--runs N] [--seed S]

atheris lives in .venv-fuzz, an environment of its own (tools/fuzz_environment.sh), and sees the
packages of the one this runs in. What breaks a promise is kept in .fuzz/findings: put it into
test/fuzz_seeds, where test/robustness/test_fuzz_seeds.py and its like in test/ros read everything
again, without atheris.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import introduce
from benchmarks.processes import ROOT

from .targets import TARGETS

SCRATCH = ROOT / ".fuzz"
SEEDS = ROOT / "test" / "fuzz_seeds"


class Result(NamedTuple):
    """Of one target."""

    status: int
    executions: int
    per_s: int
    coverage: int  # edges of our code that were reached
    finding: str  # file, empty: none


def environment() -> Path:
    """The Python that has atheris, made now if it is not there."""
    script = ROOT / "tools" / "fuzz_environment.sh"
    command = [str(script), sys.executable]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(told.strip())


def attack(python: Path, target: str, options: argparse.Namespace) -> Result:
    """Run one target to its end, or to its first finding."""
    corpus, findings = SCRATCH / "corpus" / target, SCRATCH / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        str(python),
        *("-m", "robustness.fuzz.targets", target),
        *(f"-max_total_time={round(60 * options.minutes)}", f"-runs={options.runs}"),
        *(f"-seed={options.seed}", f"-artifact_prefix={findings}/{target}-"),
        *("-rss_limit_mb=4096", "-timeout=10", "-print_final_stats=1"),
        *(str(folder) for folder in (corpus, SEEDS / target) if folder.exists()),
    ]
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    log = SCRATCH / f"{target}.log"
    with log.open("w") as output:
        status = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": path},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode
    return read(log.read_text(errors="replace"), status)


def read(log: str, status: int) -> Result:
    """What libFuzzer told."""

    def last(pattern: str) -> str:
        found = re.findall(pattern, log)
        return found[-1] if found else ""

    executions = last(r"number_of_executed_units: (\d+)") or last(r"#(\d+)\t")
    return Result(
        status,
        int(executions or 0),
        int(last(r"average_exec_per_sec: +(\d+)") or last(r"exec/s: (\d+)") or 0),
        int(last(r"cov: (\d+)") or 0),
        last(r"Test unit written to (\S+)"),
    )


def main(arguments: list[str]) -> int:
    """Print a line for each target; 1 if one of them found anything."""
    parser = argparse.ArgumentParser(prog="fuzz coverage", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--minutes", type=float, default=10.0, help="each, at most; default 10")
    parser.add_argument("--runs", type=int, default=-1, help="executions each, at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    for name in options.targets:
        if name not in TARGETS:
            parser.error(f"no target {name!r}; there are: {', '.join(TARGETS)}")
    python = environment()
    introduce(f"coverage-guided, {options.minutes:g} min each at most, seed {options.seed}")
    print(f"{'target':15}{'executions':>12}{'per s':>8}{'edges':>8}  finding", flush=True)
    failed = 0
    for name in options.targets or TARGETS:
        result = attack(python, name, options)
        failed += result.status != 0
        row = f"{name:15}{result.executions:12}{result.per_s:8}{result.coverage:8}  "
        row += result.finding or ("none" if not result.status else f"see {SCRATCH / name}.log")
        print(row, flush=True)
    return 1 if failed else 0
