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

from benchmarks.machine import introduce
from benchmarks.processes import ROOT

from .targets import TARGETS

SCRATCH = ROOT / ".fuzz"
SEEDS = ROOT / "test" / "fuzz_seeds"
ROW = "{:15}{:>12}{:>8}{:>8}  {}"


def attack(python: str, target: str, options: argparse.Namespace) -> bool:
    """Run one target to its end, or to its first finding, and print its line; whether it held."""
    corpus, findings = SCRATCH / "corpus" / target, SCRATCH / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(python, "-m", "robustness.fuzz.targets", target),
        *(f"-max_total_time={round(60 * options.minutes)}", f"-runs={options.runs}"),
        *(f"-seed={options.seed}", f"-artifact_prefix={findings}/{target}-"),
        *("-rss_limit_mb=4096", "-timeout=10", "-print_final_stats=1"),
        *(str(folder) for folder in (corpus, SEEDS / target) if folder.exists()),
    ]
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environment, log = {**os.environ, "PYTHONPATH": path}, SCRATCH / f"{target}.log"
    with log.open("w") as output:
        told = {"stdout": output, "stderr": subprocess.STDOUT}
        status = subprocess.run(command, env=environment, cwd=ROOT, **told).returncode
    text = log.read_text(errors="replace")

    def last(*patterns: str) -> str:
        """What libFuzzer told last, in the first of the forms that it uses."""
        found = next(filter(None, (re.findall(each, text) for each in patterns)), [""])
        return found[-1]

    figures = (
        last(r"number_of_executed_units: (\d+)", r"#(\d+)\t") or "0",
        last(r"average_exec_per_sec: +(\d+)", r"exec/s: (\d+)") or "0",
        last(r"cov: (\d+)") or "0",  # edges of our code that were reached
    )
    finding = last(r"Test unit written to (\S+)") or (f"see {log}" if status else "none")
    print(ROW.format(target, *figures, finding), flush=True)
    return status == 0


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
    made = [ROOT / "tools" / "fuzz_environment.sh", sys.executable]  # unless it is there
    python = subprocess.run(made, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    introduce(f"coverage-guided, {options.minutes:g} min each at most, seed {options.seed}")
    print(ROW.format("target", "executions", "per s", "edges", "finding"), flush=True)
    held = [attack(python, name, options) for name in options.targets or TARGETS]
    return 0 if all(held) else 1
