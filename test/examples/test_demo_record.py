"""The script of the demo and what it says of a run: pure data."""

from __future__ import annotations

import io
import math

import pytest

from inferential_demo.matching import ActionMatcher
from inferential_demo.phases import Phase, phases, pushes
from inferential_demo.record import Fall, RobotRecord, RunRecord, percentile
from inferential_demo.table import plain_line, summary

FAST, SLOW, SLOWER = Phase("fast", 10.0), Phase("slow", 5.0, 50.0), Phase("slow", 5.0, 100.0)


@pytest.fixture
def run() -> RunRecord:
    """Two robots, both on their feet, through a fast phase and two slow ones."""
    robots = [RobotRecord("robot_1"), RobotRecord("robot_2")]
    for robot in robots:
        for tick in range(20):
            at_s = float(tick)
            robot.add_latency(at_s, 0.005 if at_s < 10.0 else 0.080)
            robot.angles.append((at_s, 0.01))
    return RunRecord(robots, [(FAST, 0.0, 10.0), (SLOW, 10.0, 15.0), (SLOWER, 15.0, 20.0)])


def test_a_run_is_fast_then_ever_slower_then_fast_again() -> None:
    script = phases(30.0)
    assert script[0].name == "fast" and script[0].added_ms == 0.0
    assert script[-1].name == "recovery" and script[-1].added_ms == 0.0
    added = [phase.added_ms for phase in script[1:-1]]
    assert added == sorted(set(added)) and added[0] > 0.0
    assert sum(phase.duration_s for phase in script) == pytest.approx(30.0)


def test_without_slowdown_there_is_one_fast_phase() -> None:
    assert phases(6.0, slowdown=False) == [Phase("fast", 6.0)]


def test_every_robot_is_pushed_in_the_order_of_time_and_alike_for_a_seed() -> None:
    blows = pushes(6, 30.0, seed=3)
    assert {blow.robot for blow in blows} == set(range(6))
    assert [blow.at_s for blow in blows] == sorted(blow.at_s for blow in blows)
    assert blows == pushes(6, 30.0, seed=3) != pushes(6, 30.0, seed=4)


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([3.0, 1.0, 2.0, 4.0], 50) == 2.0
    assert percentile(range(1, 101), 95) == 95
    assert percentile([7.0], 95) == 7.0
    assert math.isnan(percentile([], 50))


def test_latency_is_told_by_phase(run: RunRecord) -> None:
    assert run.latency("fast", 95) == 0.005
    assert run.latency("slow", 50) == 0.080
    assert math.isnan(run.latency("recovery", 50))


def test_robots_that_fall_under_a_slow_model_do_not_fail_the_run(run: RunRecord) -> None:
    run.robots[1].falls.append(Fall(16.0, SLOWER))
    assert run.stood
    said = "\n".join(summary(run))
    assert "2 of 2 robots stood" in said
    assert "first robot fell at 100 ms added (all stood at 50 ms)" in said
    assert "at 100 ms: robot_2" in said


def test_a_robot_that_falls_while_the_model_is_fast_fails_the_run(run: RunRecord) -> None:
    run.robots[0].falls.append(Fall(4.0, FAST))
    assert not run.stood
    said = "\n".join(summary(run))
    assert "1 of 2 robots stood" in said
    assert "robot_1 fell at 4.0 s" in said


@pytest.mark.parametrize(("latency_s", "verdict"), [(0.0114, "met"), (0.0205, "MISSED")])
def test_the_summary_holds_the_latency_against_its_target(latency_s: float, verdict: str) -> None:
    robot = RobotRecord("robot_1", latencies=[(1.0, latency_s)])
    said = summary(RunRecord([robot], spans=[(FAST, 0.0, 10.0)]))
    assert f"p95 {1e3 * latency_s:.1f} ms (target: under 20 ms: {verdict})" in said[0]
    assert ("threads wanted to run at a time" in said[1]) is (verdict == "MISSED")


def test_a_run_that_was_stopped_or_never_began_did_not_stand(run: RunRecord) -> None:
    assert not RunRecord(run.robots).stood
    assert summary(RunRecord(run.robots)) == ["stopped before the first phase began"]
    run.interrupted = True
    assert not run.stood
    assert summary(run)[-1] == "stopped early"


def test_a_line_for_the_log_tells_who_stands(run: RunRecord) -> None:
    run.robots[0].fallen = True
    assert "1 of 2 standing" in plain_line(run, 5.0, "model fast")


def test_the_live_table_has_a_row_for_each_robot(run: RunRecord) -> None:
    pytest.importorskip("rich", reason="the live table needs rich")
    from rich.console import Console

    from inferential_demo.table import rich_table

    run.robots[0].fallen = True
    console = Console(width=100, file=io.StringIO())
    console.print(rich_table(run, 5.0, "model fast"))
    shown = console.file.getvalue()
    assert "FALLEN" in shown and "robot_2" in shown and "p95" in shown


def test_the_picture_is_written_and_small(run: RunRecord, tmp_path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    from inferential_demo.report import write_report

    path = tmp_path / "new_folder" / "report.png"
    write_report(run, str(path))
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 300_000


def test_a_plans_first_action_is_known_by_its_value_though_published_before_it() -> None:
    matcher = ActionMatcher()
    matcher.plan(2_000_000, stamp_ns=1_000_000, values={0.5, 0.25})
    matcher.command(1_900_000, 0.125)  # of the plan before
    matcher.command(1_950_000, 0.5)
    matcher.command(2_100_000, 0.25)
    assert matcher.latencies() == [(1_950_000, 950_000)]
    assert matcher.latencies() == []


def test_a_plan_waits_for_its_action_until_another_plan_has_one() -> None:
    matcher = ActionMatcher()
    matcher.plan(2_000_000, stamp_ns=1_000_000, values={0.5})
    assert matcher.latencies() == []
    matcher.plan(23_000_000, stamp_ns=21_000_000, values={0.75})
    matcher.command(22_900_000, 0.75)
    assert matcher.latencies() == [(22_900_000, 1_900_000)]
