"""The run in words: the live table, its plain twin for logs, and the summary."""

from __future__ import annotations

import math
from typing import Any

from inferential_demo.machine import how_busy
from inferential_demo.policy import HORIZON, PERIOD_S
from inferential_demo.record import RobotRecord, RunRecord

COLUMNS = ("robot", "", "Hz", "latency p50", "p95", "plans in time", "runway")
TARGET_S = 0.020  # sensor to action, 95th percentile, while the model is fast
IN_TIME = (
    f"  in time: before the plan at hand ran out ({HORIZON * PERIOD_S:g} s); robots fall earlier, "
    "because a plan made from an old observation knows nothing of a push since"
)


def cells(robot: RobotRecord, now_s: float) -> list[str]:
    """One row of the table."""
    judged = robot.plans_in_time + robot.plans_late
    return [
        robot.name,
        "FALLEN" if robot.fallen else robot.state,
        _number(robot.action_rate, "{:.0f}"),
        _milliseconds(robot.recent_latency(now_s, 50)),
        _milliseconds(robot.recent_latency(now_s, 95)),
        f"{100.0 * robot.plans_in_time / judged:.1f} %" if judged else "-",
        _milliseconds(robot.runway_s, "{:.0f} ms"),
    ]


def rich_table(run: RunRecord, now_s: float | None, title: str) -> Any:
    """The live table; needs rich. Time None: the run has not begun."""
    from rich.table import Table

    title, now_s = (title, 0.0) if now_s is None else (f"{now_s:4.1f} s  {title}", now_s)
    table = Table(title=title, title_style="bold", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("robot", "") else "right")
    for robot in run.robots:
        style = "bold red" if robot.fallen else ("" if robot.state == "moving" else "yellow")
        table.add_row(*cells(robot, now_s), style=style)
    return table


def plain_line(run: RunRecord, now_s: float | None, title: str) -> str:
    """The same on one line, for a log."""
    if now_s is None:
        return title
    up = sum(not robot.fallen for robot in run.robots)
    recent = [robot.recent_latency(now_s, 95) for robot in run.robots]
    worst = max((value for value in recent if not math.isnan(value)), default=math.nan)
    return (
        f"{now_s:5.1f} s  {title:<26} {up} of {len(run.robots)} standing, "
        f"slowest p95 {_milliseconds(worst)}"
    )


def summary(run: RunRecord) -> list[str]:
    """What to say at the end, line by line."""
    count = len(run.robots)
    lines = []
    start_s, end_s = run.span("fast")
    if math.isnan(start_s):
        return ["stopped before the first phase began"]
    down = {robot.name for robot, _ in run.falls("fast")}
    p95_s = run.latency("fast", 95)
    verdict = "met" if p95_s < TARGET_S else "MISSED"  # also if nothing was measured
    lines.append(
        f"model fast, {end_s - start_s:.0f} s: {count - len(down)} of {count} robots stood; "
        f"sensor to action p50 {_milliseconds(run.latency('fast', 50))}, "
        f"p95 {_milliseconds(p95_s)} (target: under {1e3 * TARGET_S:g} ms: {verdict})"
    )
    if verdict == "MISSED":
        lines.append(f"  {how_busy()}")
    lines += [f"  {robot.name} fell at {fall.at_s:.1f} s" for robot, fall in run.falls("fast")]
    if not math.isnan(run.span("slow")[0]):
        lines += _slow_lines(run, count)
    if not math.isnan(run.span("recovery")[0]):
        down = {robot.name for robot, _ in run.falls("recovery")}
        lines.append(
            f"model fast again: {count - len(down)} of {count} stood, put back on their feet; "
            f"p95 {_milliseconds(run.latency('recovery', 95))}"
        )
    hits = sum(robot.plans_in_time for robot in run.robots)
    judged = hits + sum(robot.plans_late for robot in run.robots)
    lines.append(
        f"plans in time over the whole run: {hits} of {judged}; "
        f"robots answered per call of the model: {_number(run.mean_batch, '{:.1f}')}"
    )
    lines.append(IN_TIME)
    if run.interrupted:
        lines.append("stopped early")
    return lines


def _slow_lines(run: RunRecord, count: int) -> list[str]:
    falls = run.falls("slow")
    if not falls:
        most = max(phase.added_ms for phase, _, _ in run.spans)
        return [f"model slowed, up to {most:g} ms added: all {count} still stood"]
    steps: dict[float, list[str]] = {}
    for robot, fall in falls:
        steps.setdefault(fall.phase.added_ms, []).append(robot.name)
    withstood = [
        phase.added_ms
        for phase, _, _ in run.spans
        if phase.name == "slow" and phase.added_ms < falls[0][1].phase.added_ms
    ]
    told = f" (all stood at {max(withstood):g} ms)" if withstood else ""
    lines = [f"model slowed: the first robot fell at {min(steps):g} ms added{told}"]
    lines += [f"  at {ms:g} ms: {', '.join(names)}" for ms, names in sorted(steps.items())]
    return lines


def _milliseconds(seconds: float, form: str = "{:.1f} ms") -> str:
    return _number(seconds * 1000.0, form)


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)
