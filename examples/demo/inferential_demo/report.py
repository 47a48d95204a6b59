"""The picture of a run: every pole's angle, and how long its actions took, over time."""

from __future__ import annotations

import math
import os
from typing import Any

from inferential_demo.record import RobotRecord, RunRecord

MAX_STRIPES = 12  # robots that get an axis of their own
SHOWN = 30.0  # degrees to either side of upright
LEGEND = "pole angle, ±30° about upright     ▲ pushed     ✖ fallen"
STANDING, FALLEN, PUSH = "#1f5fa8", "#c62f2f", "#777777"
FAST_SHADE, SLOW_SHADE = "#e4f2e4", "#f4a259"


def write_report(run: RunRecord, path: str) -> None:
    """Writes the PNG; makes its folder. Needs matplotlib, opens no window."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    robots = run.robots[:MAX_STRIPES]
    figure, axes = pyplot.subplots(
        len(robots) + 1,
        sharex=True,
        figsize=(10.0, 2.6 + 0.62 * len(robots)),
        height_ratios=[1.0] * len(robots) + [3.2],
        layout="constrained",
    )
    figure.get_layout_engine().set(h_pad=0.02, hspace=0.0)
    most_ms = max((phase.added_ms for phase, _, _ in run.spans), default=0.0)
    for axis in axes:
        _shade(axis, run, most_ms)
        axis.spines[["top", "right"]].set_visible(False)
    for number, (axis, robot) in enumerate(zip(axes, robots)):
        _angle(axis, robot, [at_s for at_s, pushed in run.pushes if pushed == number])
    _latency(axes[-1], run)
    _name_phases(axes[0], run)
    end_s = run.spans[-1][2] if run.spans else 1.0
    axes[-1].set_xlim(0.0, end_s)
    axes[-1].set_xlabel("time, s")
    figure.suptitle(_headline(run) + "\n", fontsize=12, fontweight="bold", x=0.01, ha="left")
    figure.text(0.01, 0.945, LEGEND, fontsize=9, color="#444444", va="center")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _angle(axis: Any, robot: RobotRecord, pushed_s: list[float]) -> None:
    """The angle while it is one that can be saved; beyond that the robot lies on the floor."""
    times = [at_s for at_s, _ in robot.angles]
    degrees = [math.degrees(angle) for _, angle in robot.angles]
    axis.plot(times, [v if abs(v) <= SHOWN else math.nan for v in degrees], color=STANDING, lw=1.0)
    down = [math.copysign(0.93 * SHOWN, v) if abs(v) > SHOWN else math.nan for v in degrees]
    axis.plot(times, down, color=FALLEN, linewidth=2.5, solid_capstyle="butt")
    axis.plot(pushed_s, [-0.82 * SHOWN] * len(pushed_s), "^", color=PUSH, markersize=3)
    for fall in robot.falls:
        axis.plot(fall.at_s, 0.0, "X", color=FALLEN, markersize=7, markeredgecolor="white")
    axis.set_ylim(-SHOWN, SHOWN)
    axis.set_yticks([-20, 0, 20], ["", "", ""])
    axis.set_ylabel(robot.name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=9)
    axis.axhline(0.0, color="black", linewidth=0.3, alpha=0.5)
    axis.tick_params(axis="x", length=0)


def _latency(axis: Any, run: RunRecord) -> None:
    for robot in run.robots:
        if robot.latencies:
            times, values = zip(*robot.latencies)
            axis.plot(times, [1e3 * v for v in values], ".", markersize=1.6, alpha=0.5)
    p95_ms = 1e3 * run.latency("fast", 95)
    start_s, end_s = run.span("fast")
    if not math.isnan(p95_ms):
        axis.hlines(p95_ms, start_s, end_s, color="black", linewidth=1.0)
        axis.annotate(
            f"p95 {p95_ms:.1f} ms", (start_s, p95_ms), (4, 3),
            textcoords="offset points", fontsize=8, va="bottom",
        )  # fmt: skip
    axis.set_yscale("log")
    axis.set_ylim(1.0, 1000.0)
    axis.set_yticks([1, 10, 100, 1000], ["1 ms", "10 ms", "100 ms", "1 s"])
    axis.grid(axis="y", linewidth=0.4, alpha=0.6)
    axis.set_ylabel("sensor stamp\nto action")


def _shade(axis: Any, run: RunRecord, most_ms: float) -> None:
    for phase, start_s, end_s in run.spans:
        if phase.added_ms > 0.0:
            alpha = 0.12 + 0.48 * phase.added_ms / most_ms
            axis.axvspan(start_s, end_s, color=SLOW_SHADE, alpha=alpha, linewidth=0)
        else:
            axis.axvspan(start_s, end_s, color=FAST_SHADE, linewidth=0)


def _name_phases(axis: Any, run: RunRecord) -> None:
    for phase, start_s, end_s in run.spans:
        text = f"+{phase.added_ms:g} ms" if phase.name == "slow" else phase.title
        axis.annotate(
            text, ((start_s + end_s) / 2, 1.0), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", fontsize=8,
        )  # fmt: skip


def _headline(run: RunRecord) -> str:
    count = len(run.robots)
    standing = count - len({robot.name for robot, _ in run.falls("fast")})
    text = f"{standing} of {count} robots stand while one model answers them all in time"
    falls = run.falls("slow")
    if falls:
        text += f"; at {falls[0][1].phase.added_ms:g} ms more, they fall"
    return text
