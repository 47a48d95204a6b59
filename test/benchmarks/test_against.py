"""`--against REVISION`: another build beside this one, in one run, and what counts as worse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # behind the packages under test

from benchmarks import builds
from benchmarks.comparison import compare, interleave, interval_of_median, judge

PEER = """
import sys
from inferential_core import SPEED
for line in sys.stdin:
    print(SPEED, flush=True)
"""


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    run = subprocess.run(
        ["git", "-C", folder, *named, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository whose package was slow in its first commit and is fast now."""
    root = tmp_path / "checkout"
    peer = root / "benchmarks" / "peers" / "peer.py"
    package = root / "inferential_core" / "__init__.py"
    for path in (peer, package):
        path.parent.mkdir(parents=True)
    peer.write_text(PEER)
    git(tmp_path, "init", "--quiet", str(root))
    for speed in (2.0, 1.0):
        package.write_text(f"SPEED = {speed}\n")
        git(root, "add", ".")
        git(root, "commit", "--quiet", "-m", f"speed {speed}")
    monkeypatch.setattr(builds, "ROOT", root)
    monkeypatch.setattr(builds, "FOLDER", root / ".bench")
    monkeypatch.setattr("benchmarks.comparison.HERE", builds.Build(root))
    return root


def cases_of(build, stack):
    program = build.program("peers/peer.py", stack=stack)
    return {"import": lambda: {"us": program.ask({})}}


def test_a_revision_runs_its_own_packages_beside_those_of_the_checkout(repository, capsys):
    assert compare("HEAD~1", cases_of, rounds=3) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "import: us" in line)
    assert row.split() == ["import:", "us", "2", "1", "0.500x", "1.000-1.000", "better"]


def test_what_became_slower_is_told_by_the_exit_status(repository, capsys):
    git(repository, "checkout", "--quiet", "HEAD~1")
    assert compare("HEAD@{1}", cases_of, rounds=3) == 1
    assert "1 figures are worse" in capsys.readouterr().out


def test_a_revision_is_checked_out_once(repository):
    first = builds.build_of("HEAD~1")
    (first.root / "kept").touch()
    assert builds.build_of(git(repository, "rev-parse", "HEAD~1")) == first
    assert (first.root / "kept").exists()


def test_a_revision_that_is_not_there_is_named_with_a_way_out(repository, capsys):
    assert compare("no-such-tag", cases_of, rounds=1) == 2
    assert "--against no-such-tag: this repository has no such revision" in capsys.readouterr().err


def test_without_a_repository_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(builds, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(builds.NoRevision, match=f"needs a git repository, and {tmp_path} is none"):
        builds.build_of("HEAD")


def test_every_round_measures_everybody_and_begins_with_another():
    order: list[str] = []

    def measure(name):
        return lambda: order.append(name) or {"us": 1.0}

    interleave({name: measure(name) for name in "abc"}, rounds=3)
    assert "".join(order) == "abcbcacab"


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        ([3.0, 1.0, 2.0], (1.0, 3.0)),  # too few for a confidence: all of them
        ([float(n) for n in range(6)], (0.0, 5.0)),  # 2 / 2**6 lie outside
        ([float(n) for n in range(21)], (5.0, 15.0)),  # ranks 6 and 16, from tables
    ],
)
def test_the_interval_of_a_median_is_that_of_order_statistics(values, interval):
    assert interval_of_median(values) == interval


@pytest.mark.parametrize(
    ("figure", "ratio", "verdict"),
    [
        ("p50 us", 1.05, ""),  # within what the old build differs from itself by, and 3 %
        ("p50 us", 1.06, "worse"),
        ("p50 us", 0.9, "better"),
        ("requests/s", 0.9, "worse"),
        ("requests/s", 1.1, "better"),
        ("p99 us", 3.0, ""),  # tails are shown and not judged
    ],
)
def test_worse_is_what_is_beyond_the_spread_and_the_tolerance(figure, ratio, verdict):
    assert judge(figure, ratio, 0.98, 1.02) == verdict
