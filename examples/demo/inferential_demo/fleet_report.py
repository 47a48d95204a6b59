"""The picture of the two fleets: every pole's angle, how long plans took, how many robots."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inferential_demo.fleet_show import Act

POLE, FALL, DELAY, FLEET = "#1f5fa8", "#c62f2f", "#b07d1a", "#1b7f4b"
SHOWN = 70.0  # degrees to either side of upright


def write_report(acts: Sequence[Act], path: str) -> None:
    """Write the PNG; makes its folder. Needs matplotlib, opens no window."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(
        3, len(acts), sharex="col", sharey="row", figsize=(10.0, 6.2), layout="constrained"
    )
    for column, act in enumerate(acts):
        fleet, angles, delays = rows[:, column]
        fleet.set_title(f"{act.title}: {act.stood} robots stood", fontsize=11, loc="left")
        _fleet(fleet, act)
        _angles(angles, act)
        _delays(delays, act)
        delays.set_xlabel("s since the first robot joined")
        for axis in rows[:, column]:
            axis.spines[["top", "right"]].set_visible(False)
            if act.fallen:
                axis.axvline(act.fell_s, color=FALL, linewidth=1.0)
    for axis, name in zip(rows[:, 0], ("robots", "pole angle, degrees", "ms to a plan")):
        axis.set_ylabel(name)
    figure.suptitle(_headline(acts), fontsize=13, fontweight="bold", x=0.01, ha="left")
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _fleet(axis: Any, act: Act) -> None:
    counts = range(1, len(act.joined_s) + 1)
    axis.step(act.joined_s, counts, where="post", color=FLEET, linewidth=1.8)
    if act.fallen:
        told = f"{act.fallen} falls "
        place = {"transform": axis.get_xaxis_transform(), "ha": "right", "va": "bottom"}
        axis.text(act.fell_s, 0.02, told, color=FALL, fontsize=9, **place)


def _angles(axis: Any, act: Act) -> None:
    for robot in range(len(act.joined_s)):
        points = [(at_s, angles[robot]) for at_s, angles in act.angles if robot < len(angles)]
        degrees = [math.degrees(angle) for _, angle in points]
        axis.plot([at_s for at_s, _ in points], degrees, color=POLE, linewidth=0.5, alpha=0.5)
    axis.set_ylim(-SHOWN, SHOWN)


def _delays(axis: Any, act: Act) -> None:
    times = [at_s for at_s, _, _ in act.delays_ms]
    axis.plot(times, [longest for _, _, longest in act.delays_ms], color=DELAY, linewidth=0.8)
    axis.plot(times, [median for _, median, _ in act.delays_ms], color=DELAY, linewidth=1.8)
    axis.set_ylim(0.0)


def _headline(acts: Sequence[Act]) -> str:
    few, many = acts[0].stood, acts[-1].stood
    times = f", {many / few:.1f} times as many" if few else ""
    return f"One model, asked one by one: {few} robots. By this server: {many}{times}"
