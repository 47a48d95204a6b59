"""Draw the life of one observation, to scale: docs/images/request.svg (`make docs`).

A robot with steps of 20 ms and chunks of 20 actions asks when half of its plan is left; the way to
the server takes 10 ms, the model is busy for 35 ms more, then takes 90 ms for a batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

STEP, HORIZON = 20, 20  # ms, actions
SENT, RECEIVED, DISPATCHED, ANSWERED, ARRIVED = 0, 10, 45, 135, 145  # ms
DRY = 200  # the old plan ends
OLD, NEW, GONE = "#9db8d9", "#1b7f4b", "#dcdcdc"
WAIT, MODEL, OTHER = "#e0b252", "#1f5fa8", "#c9c9c9"
ROWS = {"old plan": 4, "new plan": 3, "waits": 2, "model": 1}


def draw(path: Path) -> Path:
    """Write the picture. Needs matplotlib, opens no window."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "request", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    picture, axis = pyplot.subplots(figsize=(10, 4.4), layout="constrained")
    _plans(axis)
    _bar(axis, "waits", RECEIVED, DISPATCHED, WAIT, "35 ms")
    _bar(axis, "model", -45, DISPATCHED, OTHER, "another batch")
    _bar(axis, "model", DISPATCHED, ANSWERED, MODEL, "batch of 4: 90 ms", colour="white")
    _way(axis, SENT, ROWS["new plan"] - 0.3, RECEIVED, ROWS["waits"] + 0.3)
    _way(axis, ANSWERED, ROWS["model"] + 0.3, ARRIVED, ROWS["new plan"] - 0.3)
    _moments(axis)
    _spans(axis)
    axis.set_xlim(-110, 410)
    axis.set_ylim(-0.8, 5.2)
    names = ["robot: old plan", "robot: new plan", "server: waits", "model"]
    axis.set_yticks(list(ROWS.values()), names)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("ms since the observation was made")
    axis.spines[["top", "right", "left"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, metadata={"Date": None, "Creator": None}, facecolor="white")
    pyplot.close(picture)
    return path


def _plans(axis: Any) -> None:
    """One box an action."""
    first_new = next(step for step in range(HORIZON) if step * STEP >= ARRIVED)
    for step in range(-HORIZON // 2, HORIZON // 2):
        at = step * STEP
        if at >= -70:
            done = at >= first_new * STEP
            _box(axis, "old plan", at, GONE if done else OLD)
    for step in range(HORIZON):
        _box(axis, "new plan", step * STEP, GONE if step < first_new else NEW)
    axis.text(70, ROWS["new plan"] + 0.42, "passed while it was made: never executed", ha="center")
    axis.text(290, ROWS["new plan"] + 0.42, "executed, until its lease ends", ha="center")
    axis.text(200, ROWS["old plan"] + 0.42, "runs dry:\nthe deadline", ha="left", color="#c62f2f")


def _box(axis: Any, row: str, at: float, colour: str) -> None:
    axis.barh(ROWS[row], STEP - 2, left=at, height=0.5, color=colour)


def _bar(
    axis: Any, row: str, begin: float, end: float, fill: str, text: str, colour: str = "black"
) -> None:
    axis.barh(ROWS[row], end - begin, left=begin, height=0.5, color=fill)
    axis.text((begin + end) / 2, ROWS[row], text, ha="center", va="center", color=colour)


def _way(axis: Any, begin: float, high: float, end: float, low: float) -> None:
    axis.annotate("", (end, low), (begin, high), arrowprops={"arrowstyle": "->", "lw": 1.4})
    axis.text((begin + end) / 2 + 6, (high + low) / 2, "10 ms on the way", va="center", fontsize=8)


def _moments(axis: Any) -> None:
    for at, top in ((SENT, 4.3), (RECEIVED, 2.3), (DISPATCHED, 2.3), (ANSWERED, 1.3), (DRY, 4.9)):
        colour = "#c62f2f" if at == DRY else "#888888"
        axis.plot([at, at], [-0.6, top], color=colour, lw=0.8, ls=":")


def _spans(axis: Any) -> None:
    """What is measured of it."""
    for begin, end, row, text in (
        (RECEIVED, DISPATCHED, 0.35, "scheduling_wait_ms "),
        (DISPATCHED, ANSWERED, 0.35, " inference_latency_ms"),
        (SENT, DISPATCHED, -0.05, "observation_staleness_ms "),
        (RECEIVED, ANSWERED, -0.45, "e2e_latency_ms "),
        (ANSWERED, DRY - 10, -0.45, " slack: in time as long as there is some"),
    ):
        arrow = {"arrowstyle": "<->", "lw": 0.9, "color": "#444444"}
        axis.annotate("", (end, row), (begin, row), arrowprops=arrow)
        before = text.endswith(" ")
        side = {"ha": "right" if before else "left", "va": "center", "fontsize": 8}
        axis.text(begin if before else end, row, text, **side)
