"""Every decision of a simulated run, written and reproduced."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # behind the packages under test

from benchmarks import schedule  # noqa: E402
from benchmarks.scheduling import trace  # noqa: E402
from benchmarks.scheduling.campaign import Run  # noqa: E402

RUN = Run("closed", "W1", 2.0, "default+hints", seed=3, seconds=1.0)


def test_a_run_makes_the_same_decisions_again(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    count = trace.write(RUN, path)
    first, *decisions = map(json.loads, path.read_text().splitlines())
    assert first == json.loads(json.dumps(RUN._asdict()))
    assert len(decisions) == count > 50
    assert {"not all can be in time", "overloaded: the most motion"} <= {
        each["why"] for each in decisions
    }
    assert trace.replay(path) == ""


def test_the_first_decision_that_differs_is_told(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    trace.write(RUN, path)
    lines = path.read_text().splitlines()
    lines[9] = lines[9].replace("robot-", "machine-")
    path.write_text("\n".join(lines[:20]))
    assert trace.replay(path).startswith("line 10 was ")


@pytest.mark.parametrize("text", [None, "", '{"loop": "closed"', '{"loop": "closed"}\n', "[1]\n"])
def test_what_is_no_trace_is_told_as_that(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit, match="trace.jsonl is no trace that --trace wrote"):
        trace.replay(path)


def test_a_run_that_does_not_exist_is_not_traced(tmp_path: Path) -> None:
    arguments = ["--trace", str(tmp_path / "trace.jsonl"), "--workload", "W10"]
    with pytest.raises(SystemExit, match="no contestant that was named runs"):
        schedule.main(arguments)


def test_a_trace_is_of_one_run_and_of_a_file_that_can_be_written(tmp_path: Path) -> None:
    arguments = ["--trace", str(tmp_path / "trace.jsonl"), "--load", "2", "--workload", "W1"]
    with pytest.raises(SystemExit, match="name one --workload, one --load and one --contestant"):
        schedule.main([*arguments, "W2"])
    with pytest.raises(SystemExit, match="absent/trace.jsonl cannot be written: No such file"):
        trace.write(RUN, tmp_path / "absent" / "trace.jsonl")
